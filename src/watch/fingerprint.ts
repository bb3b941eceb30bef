/**
 * 64 bits of all that was added, in its order (FNV-1a twice, with two primes). Nobody gains by a collision here, and node:crypto would be
 * a megabyte more of the supervisor's memory.
 */
export class Fingerprint {
  #one = 0x811c9dc5;
  #other = 0x1b873593;

  add(text: string): void {
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      this.#one = Math.imul(this.#one ^ unit, 0x01000193);
      this.#other = Math.imul(this.#other ^ unit, 0x85ebca6b);
    }
  }

  get value(): string {
    return [this.#one, this.#other].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
