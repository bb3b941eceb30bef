import type { Finding, Path } from '../path.ts';

/** Offsets in the text; `key` is null in lists and at the root. */
interface Place {
  readonly key: number | null;
  readonly value: number;
}

/** Where in the text everything is. */
export class Places {
  readonly #places = new Map<string, Place>();

  set(path: Path, place: Place): void {
    this.#places.set(JSON.stringify(path), place);
  }

  /** True where the file says something at this path, if only by an empty key. */
  has(path: Path): boolean {
    return this.#places.has(JSON.stringify(path));
  }

  /** The offset to show for a finding: what is missing is shown at what it is missing from. */
  offset({ path, about }: Finding): number {
    for (let length = path.length; length >= 0; length -= 1) {
      const place = this.#places.get(JSON.stringify(path.slice(0, length)));
      if (place !== undefined)
        return about === 'key' && length === path.length ? (place.key ?? place.value) : place.value;
    }
    return 0;
  }
}
