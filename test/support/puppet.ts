import type { Socket } from 'node:net';
import type { ServiceBook } from './books.ts';
import type { Guard } from './guard.ts';
import { Journal } from './journal.ts';
import type {
  Announcement,
  Command,
  Message,
  Notification,
  Place,
  PuppetEvent,
  Reaction,
} from './puppet-protocol.ts';

/**
 * A service process that the test controls. A command resolves when the puppet has completed it, or is about to exit
 * for commands that end it.
 */
export class Puppet {
  readonly announcement: Announcement;
  /** Resolves when its connection is closed: it has exited, in any way. */
  readonly gone: Promise<void>;
  readonly #socket: Socket;
  readonly #guard: Guard;
  readonly #events = new Journal<PuppetEvent>();
  readonly #replies = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (error: Error) => void }
  >();
  #numbered = 0;

  constructor(socket: Socket, announcement: Announcement, guard: Guard) {
    this.#socket = socket;
    this.announcement = announcement;
    this.#guard = guard;
    guard.own(announcement.pid);
    this.gone = new Promise((resolve) => {
      socket.once('close', () => {
        const left = (): Error =>
          new Error(`puppet ${announcement.pid} of generation ${announcement.generation} left`);
        for (const reply of this.#replies.values()) reply.reject(left());
        this.#replies.clear();
        this.#events.close(left);
        resolve();
      });
    });
  }

  get pid(): number {
    return this.announcement.pid;
  }

  get generation(): number {
    return this.announcement.generation;
  }

  /** Its environment in order, as raw entries. Decode them as `latin1` to compare bytes. */
  get environment(): Buffer[] {
    return splitAtNul(this.announcement.environ);
  }

  get argv(): string[] {
    return splitAtNul(this.announcement.argv).map(String);
  }

  /** Called by the server that reads the lines. */
  receive(message: Message): void {
    if ('event' in message) {
      this.#events.push(message);
      return;
    }
    const reply = this.#replies.get(message.n);
    this.#replies.delete(message.n);
    if (message.ok) reply?.resolve(message.result);
    else reply?.reject(new Error(`puppet ${this.pid}: ${message.error}`));
  }

  #tell(command: Command): Promise<unknown> {
    this.#numbered += 1;
    const n = this.#numbered;
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error(`puppet ${this.pid} left before: ${command.do}`));
      this.#replies.set(n, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ n, ...command })}\n`);
    });
  }

  async #tellForPid(command: Command): Promise<number> {
    const { pid } = (await this.#tell(command)) as { pid: number };
    this.#guard.own(pid);
    return pid;
  }

  /** Serves HTTP with its generation and pid. Returns the address in the form of net.Server.address(). */
  async listen(on: Place): Promise<unknown> {
    return ((await this.#tell({ do: 'listen', on })) as { address: unknown }).address;
  }

  /** Closes its listeners and keeps running. */
  async stopListening(): Promise<void> {
    await this.#tell({ do: 'stop_listening' });
  }

  /** `hold`: requests wait for `answer` and are reported as events. `status`: of the responses from now on. */
  async behave(how: { hold?: boolean; status?: number }): Promise<void> {
    await this.#tell({ do: 'behave', ...how });
  }

  /** Answers the held requests. Returns their number. */
  async answer(): Promise<number> {
    return ((await this.#tell({ do: 'answer' })) as { count: number }).count;
  }

  async book(): Promise<ServiceBook> {
    return (await this.#tell({ do: 'book' })) as ServiceBook;
  }

  /** Its current state. `announcement` is the state at its start. */
  async look(): Promise<Announcement> {
    return (await this.#tell({ do: 'look' })) as Announcement;
  }

  /** Sends one datagram to its NOTIFY_SOCKET. Returns the sender's pid. */
  notify(message: string | Buffer, options: Notification = {}): Promise<number> {
    return this.#tellForPid({ do: 'notify', message: Buffer.from(message).toString('base64'), ...options });
  }

  ready(): Promise<number> {
    return this.notify('READY=1');
  }

  /** Writes bytes to any descriptor, e.g. the line to the ready descriptor. */
  async write(fd: number, data: string | Buffer): Promise<void> {
    await this.#tell({ do: 'write', fd, data: Buffer.from(data).toString('base64') });
  }

  /** Writes that many bytes without a newline. */
  async output(stream: 'stdout' | 'stderr', bytes: number, fill: 'text' | 'binary' = 'text'): Promise<void> {
    await this.#tell({ do: 'output', stream, bytes, fill });
  }

  /** Uses this amount of CPU time. */
  async burn(cpuMs: number): Promise<void> {
    await this.#tell({ do: 'burn', cpu_ms: cpuMs });
  }

  async closeFd(fd: number): Promise<void> {
    await this.#tell({ do: 'close', fd });
  }

  /** Default: SIGTERM drains, every other signal has its default action. */
  async onSignal(signal: NodeJS.Signals, reaction: Reaction): Promise<void> {
    await this.#tell({ do: 'on_signal', signal, reaction });
  }

  /** The first event of that kind at or after the cursor. Rejects when the puppet exits without one. */
  event(
    kind: PuppetEvent['event'],
    match: Partial<Record<string, string>> = {},
    from = 0,
  ): Promise<PuppetEvent> {
    const wanted = Object.entries({ ...match, event: kind });
    return this.#events.waitFor(
      (seen) => wanted.every(([key, value]) => Reflect.get(seen, key) === value),
      from,
    );
  }

  get cursor(): number {
    return this.#events.cursor;
  }

  /** Closes the connection. The puppet then exits. */
  hangUp(): void {
    this.#socket.destroy();
  }

  async exit(code: number): Promise<void> {
    await this.#tell({ do: 'exit', code });
  }

  /** Exits by a signal, as in a crash. */
  async die(signal: NodeJS.Signals = 'SIGSEGV'): Promise<void> {
    await this.#tell({ do: 'die', signal });
  }

  /** Stops accepting, answers accepted requests, and exits with 0. */
  async drain(): Promise<void> {
    await this.#tell({ do: 'drain' });
  }

  /** `busy`: its event loop is blocked. `stopped`: SIGSTOP. Neither exits on SIGTERM. */
  async hang(how: 'busy' | 'stopped'): Promise<void> {
    await this.#tell({ do: 'hang', how });
  }

  /** Leaves an idle child running. A stubborn one ignores SIGTERM. Returns its pid. */
  fork(session: 'same' | 'new', stubborn = false): Promise<number> {
    return this.#tellForPid({ do: 'fork', session, stubborn });
  }

  /** Starts a child in a separate session and exits with 0. Returns the child's pid. */
  daemonise(): Promise<number> {
    return this.#tellForPid({ do: 'daemonise' });
  }

  /** Starts another puppet, which connects to the test and gets `pass` at the same numbers. Returns its pid. */
  successor(pass: readonly number[] = [3], session: 'same' | 'new' = 'same'): Promise<number> {
    return this.#tellForPid({ do: 'successor', session, pass });
  }
}

function splitAtNul(base64: string): Buffer[] {
  const bytes = Buffer.from(base64, 'base64');
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    parts.push(bytes.subarray(at, end < 0 ? bytes.length : end));
    at = end < 0 ? bytes.length : end + 1;
  }
  return parts;
}
