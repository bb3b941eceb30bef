/** Position of the next byte in the server's output on an upgraded connection. */
export type Position = 'head' | 'between frames' | 'in a frame' | 'closed' | 'refused';

const HEAD_END = '\r\n\r\n';
const ACCEPTED = /^HTTP\/1\.1 101 /;
/** Limit for the head of a response to an upgrade, in bytes. Real heads are much smaller. */
const MAX_HEAD = 64 * 1024;
const CLOSE = 0x8;

/**
 * Follows the bytes that a server writes after an upgrade to WebSocket: the head of the response, then frames (RFC
 * 6455, 5.2). It finds the boundaries between frames for any library and any division into writes, so that a frame can
 * be inserted safely.
 */
export class FrameFollower {
  position: Position = 'head';
  #head = '';
  #frameHead: number[] = [];
  #payloadLeft = 0;

  feed(bytes: Uint8Array): void {
    let at = 0;
    if (this.position === 'head') at = this.#readHead(bytes);
    while (at < bytes.length && (this.position === 'between frames' || this.position === 'in a frame')) {
      at = this.#payloadLeft > 0 ? this.#skipPayload(bytes, at) : this.#readFrameHead(bytes, at);
    }
  }

  /** Returns the offset of the first frame. */
  #readHead(bytes: Uint8Array): number {
    const before = this.#head.length;
    this.#head += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) {
      if (this.#head.length > MAX_HEAD) this.position = 'refused';
      return bytes.length;
    }
    this.position = ACCEPTED.test(this.#head) ? 'between frames' : 'refused';
    this.#head = '';
    return end + HEAD_END.length - before;
  }

  #skipPayload(bytes: Uint8Array, at: number): number {
    const skipped = Math.min(this.#payloadLeft, bytes.length - at);
    this.#payloadLeft -= skipped;
    if (this.#payloadLeft === 0) this.#endFrame();
    return at + skipped;
  }

  #readFrameHead(bytes: Uint8Array, at: number): number {
    this.position = 'in a frame';
    const head = this.#frameHead;
    head.push(bytes[at] ?? 0);
    const second = head[1];
    if (second === undefined) return at + 1;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const maskBytes = (second & 0x80) === 0 ? 0 : 4;
    if (head.length < 2 + lengthBytes + maskBytes) return at + 1;
    this.#payloadLeft =
      lengthBytes === 0
        ? short
        : head.slice(2, 2 + lengthBytes).reduce((value, byte) => value * 256 + byte, 0);
    if (this.#payloadLeft === 0) this.#endFrame();
    return at + 1;
  }

  #endFrame(): void {
    this.position = ((this.#frameHead[0] ?? 0) & 0x0f) === CLOSE ? 'closed' : 'between frames';
    this.#frameHead = [];
  }
}

/** A close frame of a server (not masked; RFC 6455, 5.5.1). The reason has at most 123 bytes. */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason);
  const frame = Buffer.alloc(4 + text.length);
  frame[0] = 0x80 | CLOSE;
  frame[1] = 2 + text.length;
  frame.writeUInt16BE(code, 2);
  text.copy(frame, 4);
  return frame;
}
