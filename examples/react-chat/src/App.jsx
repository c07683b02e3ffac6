import { useChat } from "@ai-sdk/react";
import { useAISDKRuntime } from "@assistant-ui/ai-sdk";
import { AssistantRuntimeProvider } from "@assistant-ui/react";
import { DefaultChatTransport } from "ai";
import { useEffect, useMemo, useState } from "react";

import { Thread } from "./Thread.jsx";

const API = "/ui/chat";

/** The chat's id is in the address; the service keeps the conversation under it. */
function chatId() {
  if (!location.hash) history.replaceState(null, "", `#${crypto.randomUUID()}`);
  return location.hash.slice(1);
}

async function storedMessages(id) {
  const reply = await fetch(`${API}/${id}/messages`);
  return reply.ok ? (await reply.json()).messages : []; // 404: nothing was said yet
}

export function App() {
  const id = useMemo(chatId, []);
  const [messages, setMessages] = useState(null);
  useEffect(() => {
    storedMessages(id).then(setMessages);
  }, [id]);
  return messages && <Chat id={id} messages={messages} />;
}

function Chat({ id, messages }) {
  const transport = useMemo(() => new DefaultChatTransport({ api: API }), []);
  // An answer that is being written goes on after a reload.
  const chat = useChat({ id, messages, transport, resume: true });
  // Leaving the page does not stop an answer, so stopping is said to the service.
  const stop = () => fetch(`${API}/${id}/stop`, { method: "POST" });
  const runtime = useAISDKRuntime({ ...chat, stop });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <Thread error={chat.error} />
    </AssistantRuntimeProvider>
  );
}
