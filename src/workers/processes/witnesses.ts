// When all of so many, found anywhere among them, have ended or fallen idle, few others have not.
const MOST = 16;

/** For each worker some connections that were busy: as long as one still is, it has something to do. */
export class Witnesses<Worker> {
  readonly #found = new Map<Worker, (() => boolean)[]>();

  /** Whether one more would be of use. */
  wants(worker: Worker): boolean {
    return (this.#found.get(worker)?.length ?? 0) < MOST;
  }

  /** @param isStillBusy looks at one connection */
  add(worker: Worker, isStillBusy: () => boolean): void {
    const found = this.#found.get(worker);
    if (found === undefined) this.#found.set(worker, [isStillBusy]);
    else found.push(isStillBusy);
  }

  /** Looks until it finds one that still is; the others are forgotten. */
  isBusy(worker: Worker): boolean {
    const found = this.#found.get(worker) ?? [];
    while (found.length > 0) {
      if (found.at(-1)?.() === true) return true;
      found.pop();
    }
    return false;
  }
}
