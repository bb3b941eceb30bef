import type { Finding, Path } from '../path.ts';

/** Offsets in the text; `key` is null in lists and at the root. */
interface Position {
  readonly key: number | null;
  readonly value: number;
}

/** The positions of all values in the text. */
export class Positions {
  readonly #positions = new Map<string, Position>();

  set(path: Path, position: Position): void {
    this.#positions.set(JSON.stringify(path), position);
  }

  /** True if the file contains this path, even with an empty value. */
  has(path: Path): boolean {
    return this.#positions.has(JSON.stringify(path));
  }

  /** The offset of a finding: for a missing key, the offset of the mapping that lacks it. */
  offset({ path, about }: Finding): number {
    for (let length = path.length; length >= 0; length -= 1) {
      const position = this.#positions.get(JSON.stringify(path.slice(0, length)));
      if (position !== undefined)
        return about === 'key' && length === path.length ? (position.key ?? position.value) : position.value;
    }
    return 0;
  }
}
