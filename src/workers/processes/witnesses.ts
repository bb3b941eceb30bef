// If this many connections, found anywhere among all, have ended or become idle, few of the others are still busy.
const MAX_WITNESSES = 16;

/** Some busy connections of each worker: while one of them stays busy, the worker is busy. */
export class Witnesses<Worker> {
  readonly #found = new Map<Worker, (() => boolean)[]>();

  /** Whether another connection would be useful. */
  wants(worker: Worker): boolean {
    return (this.#found.get(worker)?.length ?? 0) < MAX_WITNESSES;
  }

  /** @param isStillBusy reads the state of one connection */
  add(worker: Worker, isStillBusy: () => boolean): void {
    const found = this.#found.get(worker);
    if (found === undefined) this.#found.set(worker, [isStillBusy]);
    else found.push(isStillBusy);
  }

  /** Reads connections until one is busy, and removes the others. */
  isBusy(worker: Worker): boolean {
    const found = this.#found.get(worker) ?? [];
    while (found.length > 0) {
      if (found.at(-1)?.() === true) return true;
      found.pop();
    }
    return false;
  }
}
