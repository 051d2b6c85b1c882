// Server-sent events out of a stream of bytes. EventSource cannot send a key.

export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { name: "message", data: [] };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r/);
      rest = lines.pop();
      for (const line of lines) {
        if (line !== "") {
          take(event, line);
        } else {
          if (event.data.length) yield { name: event.name, data: JSON.parse(event.data.join("\n")) };
          event = { name: "message", data: [] };
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function take(event, line) {
  const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
  if (field === "event") event.name = value;
  if (field === "data") event.data.push(value);
}
