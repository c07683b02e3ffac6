// Light or dark, before anything is shown. Not a module, because modules run too late for that.
globalThis.applyLook = () => {
  const look = localStorage.getItem("chat.look") ?? "system";
  const dark = look === "dark" || (look === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.look = dark ? "dark" : "light";
};
globalThis.applyLook();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", globalThis.applyLook);
