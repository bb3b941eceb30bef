import { unrefTimers } from '../common/clock.ts';
import type { Fact } from '../lifecycle/facts.ts';
import { LiveDashboard } from './dashboard/live.ts';
import { instancePage } from './dashboard/page.ts';
import { Metrics } from './metrics.ts';
import { type AdminServer, type Answer, createAdminServer, type FeedAnswer, textAnswer } from './server.ts';
import { type AdminSource, unready } from './source.ts';

export interface Place {
  /** A listening socket, which the server takes over. */
  readonly fd: number;
  /** The host in the config if only requests for this machine's own names are answered; null: all requests are. */
  readonly ownHost: string | null;
}

/**
 * Everything behind the endpoint, for every address. This module is a separate chunk, which is loaded only if the
 * config enables the endpoint.
 */
export class Admin {
  readonly #source: AdminSource;
  readonly #warn: (message: string) => void;
  readonly #metrics: Metrics;
  readonly #dashboard: LiveDashboard;

  constructor(source: AdminSource, warn: (message: string) => void) {
    this.#source = source;
    this.#warn = warn;
    this.#metrics = new Metrics(source);
    this.#dashboard = new LiveDashboard(source.dashboard, unrefTimers);
  }

  /** Counts a fact. @param at monotonic milliseconds */
  take(fact: Fact, at: number): void {
    this.#metrics.take(fact, at);
  }

  serve({ fd, ownHost }: Place): Promise<AdminServer> {
    return createAdminServer({ fd, ownHost, warn: this.#warn, answer: (path) => this.#answer(path) });
  }

  async #answer(path: string): Promise<Answer | FeedAnswer> {
    switch (path) {
      case '/':
        return instancePage(await this.#dashboard.sections(), this.#dashboard.log);
      case '/events':
        return { feed: this.#dashboard.feed() };
      case '/healthz':
        return textAnswer(200, 'ok');
      case '/readyz': {
        const reason = unready(this.#source.status());
        return reason === null ? textAnswer(200, 'ready') : textAnswer(503, reason);
      }
      case '/status':
        return {
          status: 200,
          type: 'application/json',
          body: `${JSON.stringify(this.#source.status())}\n`,
        };
      case '/metrics':
        return { status: 200, type: this.#metrics.contentType, body: await this.#metrics.text() };
      default:
        return textAnswer(404, 'unknown path: use /, /events, /healthz, /readyz, /status or /metrics');
    }
  }
}
