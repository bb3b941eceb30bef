import type { Finding, Path } from '../path.ts';

/** Offsets in the text; `key` is null in lists and at the root. */
interface Place {
  readonly key: number | null;
  readonly value: number;
}

/** The positions of all values in the text. */
export class Places {
  readonly #places = new Map<string, Place>();

  set(path: Path, place: Place): void {
    this.#places.set(JSON.stringify(path), place);
  }

  /** True if the file contains this path, even with an empty value. */
  has(path: Path): boolean {
    return this.#places.has(JSON.stringify(path));
  }

  /** The offset of a finding: for a missing key, the offset of the mapping that lacks it. */
  offset({ path, about }: Finding): number {
    for (let length = path.length; length >= 0; length -= 1) {
      const place = this.#places.get(JSON.stringify(path.slice(0, length)));
      if (place !== undefined)
        return about === 'key' && length === path.length ? (place.key ?? place.value) : place.value;
    }
    return 0;
  }
}
