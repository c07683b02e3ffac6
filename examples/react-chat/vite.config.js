import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The page and the service are one origin to the browser, so that there is no CORS. The service is told the page's own
// host, because it refuses what pages of other sites send.
const target = process.env.CHAT_URL ?? "http://127.0.0.1:8000";
const proxy = { "/ui": { target, changeOrigin: false } };

export default defineConfig({ plugins: [react()], server: { proxy }, preview: { proxy } });
