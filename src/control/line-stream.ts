import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Progress is dropped while this many bytes wait for the reader. */
const LARGEST_BACKLOG = 256 * 1024;

/**
 * An answer of JSON documents, one per line, that is written as facts happen. Writes nothing before `begin` and after
 * `end`.
 */
export class LineStream<Line> {
  readonly #response: ServerResponse;
  /** Lines from before the first line; null after that was written. */
  #held: Line[] | null = [];
  #ended = false;

  /** @param closed called once, when the answer has ended or the peer has closed the connection */
  constructor(response: ServerResponse, closed: () => void) {
    this.#response = response;
    response.once('close', closed);
  }

  /** Writes the first line, and then the lines that were held meanwhile. */
  begin(first: Line): void {
    const lines = [first, ...(this.#held ?? [])];
    this.#held = null;
    this.#response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    this.#response.write(lines.map(text).join(''));
    if (this.#ended) this.#response.end();
  }

  /** Writes a line that may be dropped for a slow reader. */
  tell(line: Line): void {
    if (this.#response.writableLength < LARGEST_BACKLOG) this.write(line);
  }

  write(line: Line): void {
    if (this.#ended || this.#response.destroyed) return;
    if (this.#held) this.#held.push(line);
    else this.#response.write(text(line));
  }

  /**
   * Writes the last line and keeps the connection open, so that the peer sees when the process exits. The connection
   * does not keep the process alive. Returns the connection.
   */
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
