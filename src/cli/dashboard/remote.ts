import { setTimeout as pause } from 'node:timers/promises';
import type { DashboardEvents, DashboardSource } from '../../admin/dashboard/source.ts';
import type { ControlClient } from '../../control/client.ts';
import type { LoggedEvent } from '../../control/event-log.ts';
import { createRedact } from '../../telemetry/redact.ts';
import { quickClientOf, statusOf } from '../instances/overview.ts';
import type { Instance } from '../instances/record.ts';

/** Limits for stored events and their characters, the same as in a supervisor. */
const MAX_EVENTS = 1024;
const MAX_SIZE = 256 * 1024;
/** Milliseconds that a page waits for earlier events. */
const PATIENCE = 1_000;
/** Milliseconds until the next attempt to follow the events. */
const AGAIN = 1_000;

/** The events of a supervisor, read over its control socket while a page is open. */
class RemoteEvents implements DashboardEvents {
  readonly #client: ControlClient;
  readonly #listeners = new Set<() => void>();
  #events: LoggedEvent[] = [];
  #size = 0;
  #connections = 0;
  #newest = 0;
  #loaded: Promise<void> = Promise.resolve();

  constructor(client: ControlClient) {
    this.#client = client;
  }

  get epoch(): string {
    return `${this.#connections}`;
  }

  get newest(): number {
    return this.#newest;
  }

  after(number: number): readonly LoggedEvent[] {
    return this.#events.filter((event) => event.number > number);
  }

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the events that the supervisor has stored were read, or after one second. */
  loaded(): Promise<unknown> {
    return Promise.race([this.#loaded, pause(PATIENCE, undefined, { ref: false })]);
  }

  /** Reads the stored events once. */
  async load(): Promise<void> {
    const over = new AbortController();
    this.#loaded = new Promise((resolve) => {
      void this.#read(over.signal, resolve).catch(resolve);
    });
    await this.loaded();
    over.abort();
  }

  /** Reads events until the returned function is called. */
  follow(): () => void {
    const over = new AbortController();
    this.#loaded = new Promise((resolve) => void this.#keepReading(over.signal, resolve));
    return () => over.abort();
  }

  async #keepReading(signal: AbortSignal, loaded: () => void): Promise<void> {
    while (!signal.aborted) {
      // If a supervisor does not answer, its status shows that.
      await this.#read(signal, loaded).catch(() => {});
      loaded();
      await pause(AGAIN, undefined, { ref: false, signal }).catch(() => {});
    }
  }

  async #read(signal: AbortSignal, loaded: () => void): Promise<void> {
    const [epoch = '', last = '0'] = (await this.#client.newestEvent(signal)).split('.');
    let number = 0;
    let isBegun = false;
    for await (const document of this.#client.events(signal, { last_event_id: `${epoch}.0` })) {
      if (!isBegun) this.#begin();
      isBegun = true;
      if (!('time' in document)) {
        number += document.missed ?? 0;
        continue;
      }
      number += 1;
      this.#append({ number, text: JSON.stringify(document) });
      if (number >= Number(last)) loaded();
    }
  }

  /** Each connection begins with all stored events, so they replace those of the previous connection. */
  #begin(): void {
    this.#connections += 1;
    this.#events = [];
    this.#size = 0;
    this.#newest = 0;
  }

  #append(event: LoggedEvent): void {
    this.#events.push(event);
    this.#size += event.text.length;
    while (this.#events.length > MAX_EVENTS || (this.#size > MAX_SIZE && this.#events.length > 1))
      this.#size -= this.#events.shift()?.text.length ?? 0;
    this.#newest = event.number;
    for (const tell of this.#listeners) tell();
  }
}

/** The data of a dashboard for one instance, read over its control socket. */
export function remoteSource(instance: Instance): DashboardSource {
  const client = quickClientOf(instance);
  const events = new RemoteEvents(client);
  let viewers = 0;
  return {
    events,
    status: async () => {
      if (viewers === 0) await events.load();
      else await events.loaded();
      return statusOf(instance);
    },
    timeline: async () => {
      const { generations, handovers = [] } = await client.history();
      return {
        generations: generations.map(({ handover = null, ...one }) => ({ ...one, handover })),
        handovers,
      };
    },
    // This command does not know the values of the service's variables.
    redactor: () => createRedact([]),
    open: () => {
      viewers += 1;
      const end = events.follow();
      return () => {
        viewers -= 1;
        end();
      };
    },
  };
}
