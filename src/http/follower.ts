import type { ServerResponse } from 'node:http';
import type { Timers } from '../common/clock.ts';

/** A continuous stream that a reader follows at its own pace. */
export interface Feed {
  /** The next portion. '' if there is none yet; null at the end of the stream. */
  next(): string | null;
  /** Calls `run` whenever `next` may have more, until the returned function is called. */
  onMore(run: () => void): () => void;
  /** Written last if another zero replaces the supervisor. */
  readonly upgrading?: string;
}

export interface FollowerOptions {
  readonly response: ServerResponse;
  readonly feed: Feed;
  readonly contentType: string;
  readonly timers: Timers;
  /** Called once, when the answer has ended or the peer has closed. */
  readonly closed: () => void;
}

/**
 * Data within this many milliseconds is written together. One system call per event would be most of the cost of a
 * thousand events per second.
 */
const GATHER = 20;
/** A reader that receives nothing for this long while data waits is disconnected. */
const PATIENCE = 30_000;

/**
 * Writes a feed as an answer at the pace of its reader. Unwritten data stays in the feed, which drops data beyond its
 * limit. So a slow reader costs one portion. A timer exists only after a write, or while data waits for the reader.
 */
export class Follower {
  readonly #options: FollowerOptions;
  #unsubscribe: () => void = () => {};
  #gathering: unknown = null;
  #blocked: unknown = null;
  #more = false;
  #over = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  start(): void {
    const { response, feed, contentType } = this.#options;
    this.#unsubscribe = feed.onMore(() => this.#came());
    response.once('close', () => this.#close());
    response.on('drain', () => this.#drained());
    response.writeHead(200, { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
    response.flushHeaders();
    this.#write();
  }

  /** Writes the remaining data and ends the answer, because the supervisor exits. */
  leave(isUpgrade = false): void {
    if (this.#over) return;
    if (this.#blocked === null) this.#write();
    if (this.#over) return;
    const { response, feed } = this.#options;
    if (isUpgrade && feed.upgrading !== undefined && !response.destroyed) response.write(feed.upgrading);
    this.#end();
  }

  #came(): void {
    if (this.#gathering === null && this.#blocked === null) this.#write();
    else this.#more = true;
  }

  #write(): void {
    const { response, feed, timers } = this.#options;
    this.#more = false;
    // Nothing may be written between the end of a connection and its event.
    while (!(this.#over || response.destroyed)) {
      const text = feed.next();
      if (text === null) {
        this.#end();
        return;
      }
      if (text === '') break;
      if (!response.write(text)) {
        this.#stopGathering();
        this.#blocked = timers.set(PATIENCE, () => response.destroy());
        return;
      }
    }
    if (this.#over || this.#gathering !== null) return;
    this.#gathering = timers.set(GATHER, () => {
      this.#gathering = null;
      if (this.#more) this.#write();
    });
  }

  #drained(): void {
    if (this.#blocked === null) return;
    this.#options.timers.clear(this.#blocked);
    this.#blocked = null;
    this.#write();
  }

  #end(): void {
    this.#close();
    this.#options.response.end();
  }

  #stopGathering(): void {
    if (this.#gathering !== null) this.#options.timers.clear(this.#gathering);
    this.#gathering = null;
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#unsubscribe();
    this.#stopGathering();
    if (this.#blocked !== null) this.#options.timers.clear(this.#blocked);
    this.#blocked = null;
    this.#options.closed();
  }
}

/** The followers of one server. Each keeps its connection, so a limit keeps connections free for other requests. */
export class Followers {
  readonly max: number;
  readonly #timers: Timers;
  readonly #open = new Set<Follower>();

  constructor(max: number, timers: Timers) {
    this.max = max;
    this.#timers = timers;
  }

  get areFull(): boolean {
    return this.#open.size >= this.max;
  }

  follow(response: ServerResponse, feed: Feed, contentType: string): void {
    const closed = () => this.#open.delete(follower);
    const follower = new Follower({ response, feed, contentType, timers: this.#timers, closed });
    this.#open.add(follower);
    follower.start();
  }

  /** Ends all answers: the supervisor exits, or with `isUpgrade` another zero takes over in this process. */
  leave(isUpgrade = false): void {
    for (const follower of this.#open) follower.leave(isUpgrade);
  }
}
