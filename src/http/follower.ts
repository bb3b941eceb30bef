import type { ServerResponse } from 'node:http';
import type { Timers } from '../common/clock.ts';

/** Something that goes on and that a reader follows at its own pace. */
export interface Feed {
  /** What comes next, a portion of it; '' while there is nothing more, null when there never will be. */
  next(): string | null;
  /** Calls whenever `next` may have more, until the function that is returned is called. */
  onMore(run: () => void): () => void;
  /** What is written last where the supervisor is replaced by another zero. */
  readonly upgrading?: string;
}

export interface FollowerOptions {
  readonly response: ServerResponse;
  readonly feed: Feed;
  readonly contentType: string;
  readonly timers: Timers;
  /** Called once, when the answer has ended or the peer is gone. */
  readonly closed: () => void;
}

/** What comes within this many milliseconds is written together: a system call for each of a thousand events a second would be the most of their cost. */
const GATHER = 20;
/** A reader that takes nothing for this long while something waits is cut off. */
const PATIENCE = 30_000;

/**
 * Writes a feed as an answer as fast as its reader takes it, and no faster: what is not written yet stays in the feed, which forgets what it has no
 * room for, so that a slow reader costs one portion. There is a timer only while something was written just now, or waits for the reader.
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

  /** Writes what there is and ends the answer: the supervisor leaves. */
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
    // Between the end of a connection and its event nothing may be written.
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
