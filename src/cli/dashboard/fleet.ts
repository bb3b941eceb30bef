import { createHash } from 'node:crypto';
import { LiveDashboard, message, Pulse } from '../../admin/dashboard/live.ts';
import { instancePage } from '../../admin/dashboard/page.ts';
import { html } from '../../admin/html.ts';
import { type Answer, type FeedAnswer, textAnswer } from '../../admin/server.ts';
import type { Timers } from '../../common/clock.ts';
import { ClientError } from '../../control/client-error.ts';
import type { Feed } from '../../http/follower.ts';
import { userName } from '../../linux/users.ts';
import type { Instance } from '../instances/record.ts';
import { fleetPage, fleetSections, type Shown, silentHeadline } from './overview.ts';
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
    if (member === undefined)
      return textAnswer(404, 'unknown instance. The page / lists the running instances.');
    const { dashboard } = member;
    if (rest === 'events') return { feed: dashboard.feed() };
    const sections = await dashboard.sections();
    if (sections.size === 0) return textAnswer(503, dashboard.problem ?? 'the instance does not answer');
    return instancePage(sections, dashboard.log, html`<p><a href="/">All instances</a></p>`);
  }

  /** Searches again, because instances come and go. */
  #look(): void {
    const found = withKeys(this.#find());
    for (const [key, { instance }] of this.#members)
      if (found.get(key)?.controlSocket !== instance.controlSocket) this.#members.delete(key);
    for (const [key, instance] of found) {
      if (this.#members.has(key)) continue;
      const dashboard = new LiveDashboard(remoteSource(instance), this.#timers, SHARES);
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
      const { status, headline, samples, error } = dashboard;
      const common = { path: `/instance/${key}/`, name: instance.name, user: userName(instance.uid) };
      if (status !== null && headline !== null)
        shown.push({ ...common, name: status.name, headline, running: { status, samples } });
      else if (error !== null && !isLeftOut(error))
        shown.push({ ...common, headline: silentHeadline(dashboard.problem ?? ''), running: null });
    }
    return fleetSections(shown);
  }

  /** Follows every instance as long as the feed has a reader. */
  #feed(): Feed {
    let sent = new Map<string, string>();
    const pulse = new Pulse();
    return {
      next: () => {
        const sections = this.#shown();
        const changed = [...sections].filter(([id, text]) => sent.get(id) !== text);
        sent = new Map(sections);
        return pulse.with(changed.map(([id, text]) => message('section', { id, html: text })).join(''));
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

/** Nothing of the instance runs, or this user may not control it. */
function isLeftOut(error: unknown): boolean {
  return error instanceof ClientError && (error.problem === 'no_instance' || error.problem === 'denied');
}

/**
 * Each instance by the path of its page: user and name. Instances of one user can have the same name in different
 * directories, then all but the first one have a suffix.
 */
function withKeys(instances: readonly Instance[]): Map<string, Instance> {
  const found = new Map<string, Instance>();
  for (const instance of instances) {
    const { uid, name, runtimeDirectory } = instance;
    const key = `${uid}/${encodeURIComponent(name)}`;
    const suffix = createHash('sha256').update(runtimeDirectory).digest('hex').slice(0, 8);
    found.set(found.has(key) ? `${key}~${suffix}` : key, instance);
  }
  return found;
}
