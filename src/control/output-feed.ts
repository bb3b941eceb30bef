import { isUtf8 } from 'node:buffer';
import type { OutputDocument } from './documents.ts';
import type { Feed } from './follower.ts';

/** Bytes that one source wrote, see workers/output-log.ts. */
interface Piece {
  readonly at: number;
  readonly generation: number;
  readonly worker: number;
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

/** What the service wrote, as far as it is kept. Places are counted in bytes from the beginning, kept or not. */
export interface Output {
  /** Those that have or may get output here, the oldest first. */
  readonly generations: readonly number[];
  isOpen(view: number | 'all'): boolean;
  end(view: number | 'all'): number;
  lastLines(view: number | 'all', count: number): number;
  read(view: number | 'all', from: number, size: number): readonly Piece[];
  onMore(listener: () => void): () => void;
}

export interface OutputRequest {
  readonly view: number | 'all';
  /** Of the last lines; null for everything that is kept. */
  readonly lines: number | null;
  readonly follow: boolean;
}

/** Bytes that are written at a time. */
const PORTION = 32 * 1024;

/** The service's output as JSON documents, one a line; what was forgotten before a reader came to it is told as a `gap`. */
export function outputFeed(output: Output, { view, lines, follow }: OutputRequest): Feed {
  const end = follow ? Number.POSITIVE_INFINITY : output.end(view);
  let place = lines === null ? 0 : output.lastLines(view, lines);

  return {
    next() {
      const documents: OutputDocument[] = [];
      for (const piece of output.read(view, place, Math.min(PORTION, end - place))) {
        if (piece.at >= end) break;
        if (piece.at > place) documents.push({ gap: { bytes: piece.at - place } });
        documents.push({ output: pieceDocument(piece) });
        place = piece.at + piece.bytes.length;
      }
      if (documents.length > 0) return documents.map((document) => `${JSON.stringify(document)}\n`).join('');
      return follow && output.isOpen(view) ? '' : null;
    },
    onMore: (run) => output.onMore(run),
  };
}

function pieceDocument({
  generation,
  worker,
  stream,
  bytes,
}: Piece): Extract<OutputDocument, { readonly output: unknown }>['output'] {
  const source = { generation, worker, stream };
  // JSON has no bytes: what is no text goes as Base64 (RFC 4648).
  return isUtf8(bytes)
    ? { ...source, text: bytes.toString() }
    : { ...source, base64: bytes.toString('base64') };
}
