/**
 * Which index each socket of a reuseport group has, kept by the kernel's own rules (net/core/sock_reuseport.c): listen(2) appends the
 * socket to the group's array (reuseport_add_sock); one that leaves by close(2) or shutdown(2) is overwritten by the last one
 * (reuseport_detach_sock). Lanes are numbers; null stands for a socket of somebody else.
 */
export class GroupOrder {
  readonly #members: (number | null)[];
  #revision = 0;

  constructor(members: readonly (number | null)[] = []) {
    this.#members = [...members];
  }

  get members(): readonly (number | null)[] {
    return this.#members;
  }

  /** Another number after each change. */
  get revision(): number {
    return this.#revision;
  }

  /** How many sockets are in the group, as far as is known. */
  get size(): number {
    return this.#members.length;
  }

  get foreignSockets(): number {
    return this.#members.filter((member) => member === null).length;
  }

  join(member: number | null): void {
    this.#revision += 1;
    this.#members.push(member);
  }

  /** Of several foreign sockets the one that came last; nobody can tell which it was. */
  leave(member: number | null): void {
    const index = this.#members.lastIndexOf(member);
    if (index === -1) return;
    this.#revision += 1;
    const last = this.#members.pop();
    if (index < this.#members.length && last !== undefined) this.#members[index] = last;
  }

  /** A lane's socket is a foreign one from now on. */
  disown(lane: number): void {
    const index = this.#members.indexOf(lane);
    if (index === -1) return;
    this.#revision += 1;
    this.#members[index] = null;
  }

  /** Null for a lane that is not in the group. */
  indexOf(lane: number): number | null {
    const index = this.#members.indexOf(lane);
    return index === -1 ? null : index;
  }

  /** Writes down where a lane was found; the lane that was expected there is where this lane was expected. */
  place(lane: number, index: number): void {
    this.#revision += 1;
    const thought = this.#members.indexOf(lane);
    while (this.#members.length <= index) this.#members.push(null);
    if (thought !== -1) this.#members[thought] = this.#members[index] ?? null;
    this.#members[index] = lane;
  }
}
