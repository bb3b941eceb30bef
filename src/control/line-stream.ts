import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Progress is left out while a reader has this many bytes yet to take. */
const LARGEST_BACKLOG = 256 * 1024;

/** An answer of JSON documents, one a line, that is written as things happen. Nothing is written before `begin` and after `end`. */
export class LineStream<Line> {
  readonly #response: ServerResponse;
  /** What came before the first line; null once that is written. */
  #held: Line[] | null = [];
  #ended = false;

  /** @param closed called once, when the answer has ended or the peer is gone */
  constructor(response: ServerResponse, closed: () => void) {
    this.#response = response;
    response.once('close', closed);
  }

  /** Writes the first line, and then what has been told meanwhile. */
  begin(first: Line): void {
    const lines = [first, ...(this.#held ?? [])];
    this.#held = null;
    this.#response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    this.#response.write(lines.map(text).join(''));
    if (this.#ended) this.#response.end();
  }

  /** A line that a reader who is too slow can do without. */
  tell(line: Line): void {
    if (this.#response.writableLength < LARGEST_BACKLOG) this.write(line);
  }

  write(line: Line): void {
    if (this.#ended || this.#response.destroyed) return;
    if (this.#held) this.#held.push(line);
    else this.#response.write(text(line));
  }

  /** Writes the last line and keeps the connection, but not the process, so that the peer sees its end. Returns the connection. */
  leave(last: Line): Socket | null {
    this.write(last);
    this.#ended = true;
    return this.#response.socket?.unref() ?? null;
  }

  end(): void {
    this.#ended = true;
    if (!this.#held) this.#response.end();
  }
}

function text(line: unknown): string {
  return `${JSON.stringify(line)}\n`;
}
