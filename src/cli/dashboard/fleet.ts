import { LiveDashboard } from '../../admin/dashboard/live.ts';
import { instancePage } from '../../admin/dashboard/page.ts';
import { html } from '../../admin/html.ts';
import { type Answer, type FeedAnswer, textAnswer } from '../../admin/server.ts';
import type { Timers } from '../../common/clock.ts';
import type { Feed } from '../../http/follower.ts';
import { userName } from '../../linux/users.ts';
import { clientOf } from '../instances/overview.ts';
import type { Instance } from '../instances/record.ts';
import { fleetPage, fleetSections, type Shown } from './overview.ts';
import { remoteSource } from './remote.ts';

/** Milliseconds between two searches for new instances while the overview is open. */
const LOOK = 5_000;
/** Milliseconds between two updates of the overview. */
const GATHER = 500;

/** The shares of a processor for this command, which reads the status of several instances. */
const SHARES = { rest: 0.05, busy: 0.1 };

interface Member {
  readonly instance: Instance;
  readonly dashboard: LiveDashboard;
}

/** A page with all instances of this machine that this user may see, and a page for each instance. */
export class Fleet {
  readonly #find: () => readonly Instance[];
  readonly #timers: Timers;
  readonly #members = new Map<string, Member>();

  constructor(find: () => readonly Instance[], timers: Timers) {
    this.#find = find;
    this.#timers = timers;
  }

  /** @param path without the query */
  async answer(path: string): Promise<Answer | FeedAnswer> {
    if (path === '/') return fleetPage(await this.#sections());
    if (path === '/events') return { feed: this.#feed() };
    const [, key = '', rest = ''] = /^\/instance\/([^/]+\/[^/]+)\/(events)?$/.exec(path) ?? [];
    this.#look();
    const member = this.#members.get(key);
    if (member === undefined) return textAnswer(404, 'unknown instance. The page / lists those that run.');
    const { dashboard } = member;
    if (rest === 'events') return { feed: dashboard.feed() };
    const sections = await dashboard.sections();
    if (sections.size === 0) return textAnswer(503, dashboard.problem ?? 'the instance does not answer');
    return instancePage(sections, dashboard.log, html`<p><a href="/">All instances</a></p>`);
  }

  /** Searches again, because instances come and go. */
  #look(): void {
    const found = new Map(this.#find().map((instance) => [keyOf(instance), instance]));
    for (const key of this.#members.keys()) if (!found.has(key)) this.#members.delete(key);
    for (const [key, instance] of found) {
      if (this.#members.has(key)) continue;
      const dashboard = new LiveDashboard(remoteSource(clientOf(instance)), this.#timers, SHARES);
      this.#members.set(key, { instance, dashboard });
    }
  }

  async #sections(): Promise<ReadonlyMap<string, string>> {
    this.#look();
    await Promise.all([...this.#members.values()].map(({ dashboard }) => dashboard.sections()));
    return this.#shown();
  }

  #shown(): ReadonlyMap<string, string> {
    const shown: Shown[] = [];
    for (const [key, { instance, dashboard }] of this.#members) {
      const { status, headline, samples } = dashboard;
      // The instance has stopped and left its directory behind.
      if (status === null || headline === null) continue;
      const { uid } = instance;
      shown.push({ path: `/instance/${key}/`, user: userName(uid), status, headline, samples });
    }
    return fleetSections(shown);
  }

  /** Follows every instance as long as the feed has a reader. */
  #feed(): Feed {
    let sent = new Map<string, string>();
    return {
      next: () => {
        const sections = this.#shown();
        const changed = [...sections].filter(([id, text]) => sent.get(id) !== text);
        sent = new Map(sections);
        return changed
          .map(([id, text]) => `event: section\ndata: ${JSON.stringify({ id, html: text })}\n\n`)
          .join('');
      },
      onMore: (run) => this.#watch(run),
    };
  }

  #watch(run: () => void): () => void {
    const ends = new Map<LiveDashboard, () => void>();
    let gathering: unknown = null;
    const changed = () => {
      gathering ??= this.#timers.set(GATHER, () => {
        gathering = null;
        run();
      });
    };
    let looking: unknown = null;
    const look = () => {
      this.#look();
      const dashboards = new Set([...this.#members.values()].map(({ dashboard }) => dashboard));
      for (const [dashboard, end] of ends) {
        if (dashboards.has(dashboard)) continue;
        ends.delete(dashboard);
        end();
      }
      for (const dashboard of dashboards)
        if (!ends.has(dashboard)) ends.set(dashboard, dashboard.watch(changed));
      changed();
      looking = this.#timers.set(LOOK, look);
    };
    look();
    return () => {
      this.#timers.clear(looking);
      if (gathering !== null) this.#timers.clear(gathering);
      for (const end of ends.values()) end();
    };
  }
}

/** The path of an instance's page. It contains both values, because names are unique only for each user. */
function keyOf({ uid, name }: Instance): string {
  return `${uid}/${encodeURIComponent(name)}`;
}
