// HTTP/1.1 messages on a stream: http-parser-js takes them apart, this file asks it for the next part.
//
// A message is a head, pieces of its body, and an end. At most one buffer of input is parsed ahead, and only when the
// parts before it have been taken: a peer that sends faster than its messages are handled is stopped by the socket.
import { HTTPParser } from "http-parser-js";
import { lazy } from "tokiwa";

const BUFFER_BYTES = 16_384;
const END = Symbol("end of message");
const encoder = new TextEncoder();
const { kOnBody, kOnHeaders, kOnHeadersComplete, kOnMessageComplete, methods } = HTTPParser;

/** An answer other than 200. */
export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Reads messages from a stream. A piece of a body is valid until the next one is asked for. */
export class MessageReader {
  #stream;
  #parser;
  #buffer = Buffer.alloc(BUFFER_BYTES);
  #parts = [];
  #first = 0;
  #hasEnded = false;
  /** Of a HEAD's response: its head speaks of a body that does not follow. */
  hasNoBody = false;

  /** @param type "REQUEST" or "RESPONSE": what is read */
  constructor(stream, type) {
    this.#stream = stream;
    const parser = (this.#parser = new HTTPParser(HTTPParser[type]));
    const parts = this.#parts;
    parser[kOnHeaders] = () => {};                         // trailers: nobody here wants them
    parser[kOnHeadersComplete] = ({ method, url, headers, statusCode, statusMessage, shouldKeepAlive, upgrade }) => {
      parts.push({ method: methods[method], url, headers, statusCode, statusMessage, keepsAlive: shouldKeepAlive, upgrade });
      return this.hasNoBody ? 1 : 0;
    };
    parser[kOnBody] = (chunk, offset, length) => void parts.push(chunk.subarray(offset, offset + length));
    parser[kOnMessageComplete] = () => void parts.push(END);
  }

  *#next() {
    while (this.#first === this.#parts.length) {
      if (this.#hasEnded) return undefined;
      this.#parts.length = this.#first = 0;
      const count = yield* this.#stream.read(this.#buffer);
      if (count === 0) this.#hasEnded = true;
      const outcome = count === 0 ? this.#parser.finish() : this.#parser.execute(this.#buffer, 0, count);
      if (outcome instanceof Error) throw new HttpError(400, "Bad Request");
    }
    return this.#parts[this.#first++];
  }

  /** The head of the next message; undefined when the peer has ended the connection. */
  *head() {
    return yield* this.#next();
  }

  /** As `head()`, to be waited for with others: what loses a select has taken nothing. */
  nextHead() {
    return lazy(() => this.head());
  }

  /** The next piece of the body, undefined at its end. */
  *piece() {
    const part = yield* this.#next();
    if (part === undefined) throw new HttpError(400, "Bad Request");
    return part === END ? undefined : part;
  }

  /** Reads the body away. */
  *skipBody(limit) {
    for (let length = 0, piece; (piece = yield* this.piece()) !== undefined; ) {
      if ((length += piece.length) > limit) throw new HttpError(413, "Content Too Large");
    }
  }
}

/** The value of a header of a head, by its name in lower case. */
export function header({ headers }, name) {
  for (let i = 0; i < headers.length; i += 2) if (headers[i].toLowerCase() === name) return headers[i + 1];
  return undefined;
}

/** The bytes of a head: its first line, then [name, value, name, value, ...]. */
export function headBytes(line, headers) {
  let text = `${line}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return encoder.encode(`${text}\r\n`);
}

/** Sends a whole answer. */
export function* respond(stream, status, text, headers, body, keepsAlive) {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const all = [...headers, "content-length", bytes.length, "connection", keepsAlive ? "keep-alive" : "close"];
  yield* stream.writeAll([headBytes(`HTTP/1.1 ${status} ${text}`, all), bytes]);
}

/** Answers an HttpError; other errors go on. */
export function* refuse(stream, error, keepsAlive) {
  if (!(error instanceof HttpError)) throw error;
  yield* respond(stream, error.status, error.message, ["content-type", "text/plain"], `${error.status} ${error.message}\n`, keepsAlive);
}
