/**
 * The index of each socket in a reuseport group, tracked by the kernel's rules (net/core/sock_reuseport.c): listen(2)
 * appends the socket to the group's array (reuseport_add_sock). When a socket is closed or shut down, the last one
 * takes its index (reuseport_detach_sock). Lanes are numbers; null stands for a foreign socket.
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

  /** Changes with every change of the order. */
  get revision(): number {
    return this.#revision;
  }

  /** Number of sockets in the group, as far as is known. */
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

  /** Of several foreign sockets, removes the newest: which one left cannot be known. */
  leave(member: number | null): void {
    const index = this.#members.lastIndexOf(member);
    if (index === -1) return;
    this.#revision += 1;
    const last = this.#members.pop();
    if (index < this.#members.length && last !== undefined) this.#members[index] = last;
  }

  /** Treats a lane's socket as foreign from now on. */
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

  /** Records where a lane was found, and swaps it with the lane that was expected there. */
  place(lane: number, index: number): void {
    this.#revision += 1;
    const thought = this.#members.indexOf(lane);
    while (this.#members.length <= index) this.#members.push(null);
    if (thought !== -1) this.#members[thought] = this.#members[index] ?? null;
    this.#members[index] = lane;
  }
}
