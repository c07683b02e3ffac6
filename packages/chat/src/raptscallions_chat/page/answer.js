// What the events of a run add up to: the parts of an answer, in order. Knows nothing of the screen.

const ENDS = { completed: "complete", stopped: "stopped", failed: "failed", interrupted: "interrupted" };

export class Answer {
  constructor(message) {
    this.parts = (message.parts ?? []).map((part) => ({ ...part }));
    this.status = message.status;
    this.usage = message.usage;
    this.finishReason = message.finish_reason;
    this.reason = null; // why it was stopped or interrupted
    this.error = null;
    this.fresh = false; // whether the next piece replaces what there is
  }

  get text() {
    return this.parts
      .filter((part) => part.type === "text")
      .map((part) => part.text)
      .join("");
  }

  get isGrowing() {
    return this.status === "streaming";
  }

  /** Takes one event in. */
  add(event) {
    switch (event.type) {
      case "run_started":
        // It is told from the beginning; what is on the screen stays until the first piece comes.
        this.status = "streaming";
        this.fresh = true;
        break;
      case "content":
        this.#grow("text", event.content);
        break;
      case "reasoning":
        this.#grow("reasoning", event.content);
        break;
      case "tool_call":
        this.#call(event);
        break;
      case "tool_result":
        this.#result(event);
        break;
      case "approval_requested":
        this.#find(event.id).waiting = true;
        break;
      case "annotation":
      case "image":
        this.#begin().push({ ...event });
        break;
      case "restarted":
        this.parts = [];
        break;
      case "snapshot":
        this.fresh = false;
        this.parts = [
          ...(event.reasoning ? [{ type: "reasoning", text: event.reasoning }] : []),
          ...(event.text ? [{ type: "text", text: event.text }] : []),
          ...event.tool_calls.map((call) => ({ type: "tool_call", ...call })),
          // A snapshot does not repeat these.
          ...this.parts.filter((part) => part.type === "image" || part.type === "annotation"),
        ];
        break;
      case "usage":
        this.usage = event.usage;
        break;
      default:
        if (event.type in ENDS) this.#end(event);
    }
  }

  #begin() {
    if (this.fresh) {
      this.fresh = false;
      this.parts = [];
    }
    return this.parts;
  }

  #grow(type, text) {
    const parts = this.#begin();
    const last = parts.at(-1);
    if (last?.type === type) last.text += text;
    else parts.push({ type, text });
  }

  #call({ index, id, name, arguments: piece }) {
    const parts = this.#begin();
    // A step later the numbers begin anew, with another id.
    let call = parts.findLast((part) => part.type === "tool_call" && part.index === index);
    if (!call || (id && call.id && id !== call.id)) {
      call = { type: "tool_call", index, id: "", name: "", arguments: "" };
      parts.push(call);
    }
    call.id = id || call.id;
    call.name = name || call.name;
    call.arguments += piece ?? "";
  }

  #find(id) {
    return this.#begin().find((part) => part.type === "tool_call" && part.id === id) ?? {};
  }

  #result({ id, content, is_error: failed }) {
    const call = this.#find(id);
    call.waiting = false;
    call[failed ? "error" : "result"] = content;
  }

  #end(event) {
    this.#begin();
    this.status = ENDS[event.type];
    this.usage = event.usage ?? this.usage;
    this.finishReason = event.finish_reason ?? null;
    if (this.finishReason === "content_filter") this.status = "blocked";
    this.reason = event.reason ?? null;
    this.error = event.error ?? null;
  }
}
