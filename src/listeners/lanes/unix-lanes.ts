import { linkSync, lstatSync } from 'node:fs';
import { errorText } from '../../common/errors.ts';
import type { UnixAddress } from '../../config/address.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { isFile } from '../../linux/bound-file.ts';
import { holderOf, unixSocket, unixSocketsAt } from '../../linux/sock_diag.ts';
import { peekConnection } from '../../linux/socket-state.ts';
import { closeFd, connectSocket, inodeOf, openSocket } from '../../linux/sockets.ts';
import { clearStalePath } from '../binding/stale-path.ts';
import { openUnixAt } from '../binding/unix.ts';
import { applyPermissions, boundFileAt, permissionsOf, type UnixFile } from '../binding/unix-file.ts';
import { type LaneNames, laneNames, publish, removeNames, restoreNames } from '../binding/unix-name.ts';
import { type NameWatch, watchNames } from '../binding/unix-name-watch.ts';
import { explainFailure } from '../diagnosis/explain.ts';
import type { OwnSockets } from '../diagnosis/holders.ts';
import { type ConnectionState, makeProbe, type Probe } from '../diagnosis/probe.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';
import { LaneQueue } from './lane-queue.ts';
import type { ForeignSocket, LaneFault, LanePlan, Lanes, LaneWithQueue, RecoveredLane } from './lanes.ts';

interface Lane extends LaneWithQueue {
  readonly file: UnixFile;
  readonly names: LaneNames;
}

/**
 * The lanes of a Unix stream listener: separate sockets, each with two permanent names. The socket that receives new
 * connections has the public name, too. Promoting and rolling back both move that name. One name cannot spread
 * connections over several sockets, so all workers of a generation use its first lane.
 */
export class UnixLanes implements Lanes {
  readonly path: string;
  #config: ListenerConfig;
  readonly #own: OwnSockets;
  readonly #lanes: Lane[] = [];
  readonly #taken: LaneFault[] = [];
  readonly #hungUp = new Set<number>();
  /** Foreign sockets that were found under the public name. */
  readonly #foreignSockets = new Set<number>();
  /** Maps the lanes of a generation to its first lane. */
  readonly #firsts = new Map<number, number>();
  #published = 0;
  #opened = 0;
  #watch: NameWatch | null = null;

  private constructor(config: ListenerConfig, path: string, own: OwnSockets) {
    this.#config = config;
    this.#own = own;
    this.path = path;
  }

  /**
   * Binds the first lane and publishes it. Throws ListenerError.
   * @param onFault called when `faults` has something to return
   */
  static bind(
    config: ListenerConfig,
    { path }: UnixAddress,
    own: OwnSockets,
    onFault: () => void,
  ): UnixLanes {
    if (path.startsWith('@'))
      throw new ListenerError(
        config.name,
        `steer ${nameAddress(config)}: an abstract name cannot be moved to another socket`,
      );
    clearStalePath(config, path, own);
    const lanes = new UnixLanes(config, path, own);
    lanes.#begin(onFault, () => {
      lanes.ensure(1);
      lanes.#publish(0);
    });
    return lanes;
  }

  /**
   * Continues with the lanes of a supervisor that died. The public name stays with its lane. A lane whose socket is
   * closed, or that no name leads to, is opened again. Throws ListenerError.
   * @param main the lane for new connections if the public name leads to none
   */
  static recover(
    config: ListenerConfig,
    { path }: UnixAddress,
    { lanes: saved, main }: { readonly lanes: readonly RecoveredLane[]; readonly main: number },
    own: OwnSockets,
    onFault: () => void,
  ): UnixLanes {
    const lanes = new UnixLanes(config, path, own);
    lanes.#begin(onFault, () => {
      for (const [lane, { fd, inode }] of saved.entries()) lanes.#recover(lane, fd, inode);
      const published = lanes.#lanes.findIndex(({ file }) => isFile(path, file));
      lanes.#published = published === -1 ? main : published;
      lanes.#serve(lanes.#published);
    });
    return lanes;
  }

  get sockets(): readonly LaneWithQueue[] {
    return this.#lanes;
  }

  get revision(): number {
    return this.#opened;
  }

  /** Throws ListenerError for an unknown owner or group. */
  configure(config: ListenerConfig): void {
    const permissions = permissionsOf(config);
    for (const { file, names } of this.#lanes)
      applyPermissions(config, { ...file, path: names.kept }, permissions);
    this.#config = config;
  }

  ensure(count: number): void {
    while (this.#lanes.length < count) this.#lanes.push(this.#open(this.#lanes.length));
  }

  give(lane: number, first?: number): number {
    if (first !== undefined) this.#firsts.set(lane, first);
    const own = this.socketOf(lane);
    const { fd } = this.#serve(own);
    return fd ?? this.#replace(own);
  }

  regain(lane: number, first?: number): number | null {
    if (first !== undefined) this.#firsts.set(lane, first);
    return this.#serve(this.socketOf(lane)).fd;
  }

  socketOf(lane: number): number {
    return this.#firsts.get(lane) ?? lane;
  }

  steer({ main }: LanePlan): void {
    const lane = this.socketOf(main[0] ?? 0);
    this.ensure(lane + 1);
    this.#publish(lane);
  }

  queued(lane: number): number {
    return this.#lane(this.socketOf(lane)).queue.clients();
  }

  waiting(): number {
    return this.#lanes.reduce((sum, { queue }) => sum + queue.waiting(), 0);
  }

  prepare(): void {
    // Nothing to check: unlike an index, a name always leads to the same socket.
  }

  openProbe(lane: number): Probe {
    const { names, queue } = this.#lane(this.socketOf(lane));
    const remote = { family: 'unix', path: names.kept } as const;
    let fd: number | null = null;
    try {
      fd = openSocket('unix', 'stream');
      connectSocket(fd, remote);
    } catch (error) {
      if (fd !== null) closeFd(fd);
      throw explainFailure(this.#config, error, remote, this.#own);
    }
    const client = fd;
    const look = queue.add(client, () => unixProbeState(client));
    return makeProbe({
      listener: this.#config.name,
      lane,
      fd: client,
      local: { family: 'unix', path: '' },
      remote,
      look,
      inode: () => unixSocket(inodeOf(client))?.peer ?? 0,
      close: () => queue.retire(client),
    });
  }

  /**
   * Records a lane that was shut down, which its hangup shows. It can never listen again (unix_shutdown,
   * net/unix/af_unix.c).
   */
  hungUp(lane: number): void {
    this.#hungUp.add(lane);
  }

  faults(): LaneFault[] {
    this.#restore();
    const faults = this.#taken.splice(0);
    for (const lane of this.#hungUp) {
      this.#replace(lane);
      faults.push({ lane, kind: 'shut_down' });
    }
    this.#hungUp.clear();
    return faults;
  }

  foreignSockets(): ForeignSocket[] {
    this.#restore();
    for (const inode of this.#foreignSockets)
      if (unixSocket(inode)?.listening !== true) this.#foreignSockets.delete(inode);
    return [...this.#foreignSockets]
      .filter((inode) => this.#own(inode) === null)
      .map((inode) => ({ inode, uid: null, holder: holderOf(inode) }));
  }

  close(): void {
    this.#watch?.close();
    for (const { fd, file, names, queue } of this.#lanes.splice(0)) {
      queue.close();
      removeNames(file, [this.path, names.bound, names.kept]);
      if (fd !== null) closeFd(fd);
    }
  }

  order(): null {
    return null;
  }

  #begin(onFault: () => void, open: () => void): void {
    try {
      open();
      this.#watch = watchNames(this.path, () => {
        this.#restore();
        if (this.#taken.length > 0) onFault();
      });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #recover(lane: number, fd: number | null, inode: number): void {
    const names = laneNames(this.path, lane);
    const file = boundFileAt(inode, [names.kept, names.bound, this.path], names.bound);
    if (file === null) {
      if (fd !== null) closeFd(fd);
      this.#lanes[lane] = this.#open(lane);
      return;
    }
    restoreNames(file, [names.kept, names.bound]);
    this.#lanes[lane] = { fd, inode, names, file, queue: queueOf(inode, false) };
  }

  #open(lane: number): Lane & { readonly fd: number } {
    const names = laneNames(this.path, lane);
    clearStalePath(this.#config, names.kept, this.#own);
    const { fd, file } = openUnixAt(this.#config, names.bound, this.#own);
    try {
      linkSync(names.bound, names.kept);
    } catch (error) {
      removeNames(file, [names.bound]);
      closeFd(fd);
      throw this.#failure(`link ${names.kept}`, error);
    }
    this.#opened += 1;
    const inode = inodeOf(fd);
    return { fd, inode, queue: queueOf(inode), file, names };
  }

  #replace(lane: number): number {
    const { fd, file, names, queue } = this.#lane(lane);
    queue.close();
    removeNames(file, [names.bound, names.kept]);
    const opened = this.#open(lane);
    this.#lanes[lane] = opened;
    if (lane === this.#published) this.#publish(lane);
    if (fd !== null) closeFd(fd);
    return opened.fd;
  }

  #publish(lane: number): void {
    const { file, names } = this.#serve(lane);
    try {
      publish(this.path, file, [names.kept, names.bound]);
      this.#published = lane;
    } catch (error) {
      throw this.#failure(`publish lane ${lane} as ${nameAddress(this.#config)}`, error);
    }
  }

  /** Restores the names that a service removed or replaced. */
  #restore(): void {
    const lane = this.#lanes[this.#published];
    if (lane === undefined) return;
    if (!isFile(this.path, lane.file)) {
      this.#noteForeignSocket();
      this.#taken.push({ lane: this.#published, kind: 'name_taken' });
      this.#publish(this.#published);
    }
    for (const { file, names } of this.#lanes) restoreNames(file, [names.kept, names.bound]);
  }

  #noteForeignSocket(): void {
    if (lstatSync(this.path, { throwIfNoEntry: false })?.isSocket() !== true) return;
    for (const { inode } of unixSocketsAt(this.path))
      if (this.#own(inode) === null) this.#foreignSockets.add(inode);
  }

  /** A lane that a worker gets, or that connections go to. */
  #serve(lane: number): Lane {
    const found = this.#lane(lane);
    found.queue.served = true;
    return found;
  }

  #lane(lane: number): Lane {
    const found = this.#lanes[lane];
    if (found === undefined) throw new RangeError(`listener ${this.#config.name} has no lane ${lane}`);
    return found;
  }

  #failure(step: string, error: unknown): ListenerError {
    const why = errorText(error);
    return new ListenerError(this.#config.name, `${step}: ${why}`, error);
  }
}

function queueOf(inode: number, served = true): LaneQueue {
  return new LaneQueue(unixQueue, inode, served);
}

function unixQueue(inode: number): number {
  return unixSocket(inode)?.rqueue ?? 0;
}

/** UNIX_DIAG_PEER of the client's end: 0 until the connection is accepted, and again when the other end is closed. */
function unixProbeState(fd: number): ConnectionState {
  if ((unixSocket(inodeOf(fd))?.peer ?? 0) !== 0) return 'accepted';
  switch (peekConnection(fd)) {
    case 'silent':
      return 'queued';
    case 'readable':
    case 'ended':
      return 'accepted';
    // unix_release_sock: a connection that is dropped with its listener, or was accepted and closed with unread data.
    case 'failed':
      return 'gone';
  }
}
