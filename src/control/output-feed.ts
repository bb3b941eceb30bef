import { isUtf8 } from 'node:buffer';
import type { Feed } from '../http/follower.ts';
import type { OutputDocument } from './documents.ts';

/** Bytes that one source wrote, see workers/output/output-log.ts. */
interface Piece {
  readonly at: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly generation: number;
  readonly worker: number;
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

/** The stored output of the service. Positions are counted in bytes from the beginning, whether stored or not. */
export interface Output {
  /** Generations that have or may get output here, the oldest first. */
  readonly generations: readonly number[];
  isOpen(view: number | 'all'): boolean;
  end(view: number | 'all'): number;
  lastLines(view: number | 'all', count: number, worker: number | null): number;
  /** The position of the first output at or after this time (milliseconds since 1970). */
  since(view: number | 'all', time: number): number;
  read(view: number | 'all', from: number, size: number): readonly Piece[];
  onMore(listener: () => void): () => void;
}

export interface OutputRequest {
  readonly view: number | 'all';
  /** The number of last lines; null: all stored lines. */
  readonly lines: number | null;
  /** Milliseconds since 1970; null: all stored lines. */
  readonly since: number | null;
  /** null: all workers. */
  readonly worker: number | null;
  readonly follow: boolean;
  /** The current file with the same output; null if there is none. */
  readonly file: string | null;
}

/** Bytes per write. */
const PORTION = 32 * 1024;

/**
 * The service's output as JSON documents, one per line. Output that was discarded before a reader reached it is
 * reported as a `gap`.
 */
export function outputFeed(output: Output, request: OutputRequest): Feed {
  const { view, lines, since, worker, follow, file } = request;
  const end = follow ? Number.POSITIVE_INFINITY : output.end(view);
  let place = Math.max(
    lines === null ? 0 : output.lastLines(view, lines, worker),
    since === null ? 0 : output.since(view, since),
  );

  let isBegun = false;

  /** The next portion of the selected output; null if there is no more now. */
  const portion = (): OutputDocument[] | null => {
    const pieces = output.read(view, place, Math.min(PORTION, end - place)).filter(({ at }) => at < end);
    const documents: OutputDocument[] = [];
    for (const piece of pieces) {
      if (piece.at > place) documents.push({ gap: { bytes: piece.at - place } });
      if (worker === null || piece.worker === worker) documents.push({ output: pieceDocument(piece) });
      place = piece.at + piece.bytes.length;
    }
    return pieces.length === 0 ? null : documents;
  };

  return {
    next() {
      if (!isBegun && file !== null) {
        isBegun = true;
        return text({ file: { path: file } });
      }
      for (let documents = portion(); documents !== null; documents = portion()) {
        if (documents.length > 0) return documents.map(text).join('');
      }
      return follow && output.isOpen(view) ? '' : null;
    },
    onMore: (run) => output.onMore(run),
    ...(follow && { upgrading: text({ upgrading: true }) }),
  };
}

function text(document: OutputDocument): string {
  return `${JSON.stringify(document)}\n`;
}

function pieceDocument({
  time,
  generation,
  worker,
  stream,
  bytes,
}: Piece): Extract<OutputDocument, { readonly output: unknown }>['output'] {
  const source = { time: new Date(time).toISOString(), generation, worker, stream };
  // JSON has no bytes: output that is not UTF-8 is sent as Base64 (RFC 4648).
  return isUtf8(bytes)
    ? { ...source, text: bytes.toString() }
    : { ...source, base64: bytes.toString('base64') };
}
