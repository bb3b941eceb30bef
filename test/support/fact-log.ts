import { isDeepStrictEqual } from 'node:util';
import type { Fact, FactName } from '../../src/lifecycle/facts.ts';
import { Journal } from './journal.ts';

export type FactOf<N extends FactName> = Extract<Fact, { readonly event: N }>;

/** Fields with their required values, or a predicate on the whole fact. */
export type Match<N extends FactName> = Partial<FactOf<N>> | ((fact: FactOf<N>) => boolean);

const KEPT_LINES = 200;

/**
 * The facts in a stream of JSON log lines, each converted back to its `Fact`, and the last lines for the message of a
 * failure.
 */
export class FactLog {
  readonly #journal = new Journal<Fact>();
  readonly #lines: string[] = [];
  readonly #listeners = new Set<(fact: Fact) => void>();

  get facts(): readonly Fact[] {
    return this.#journal.entries;
  }

  get cursor(): number {
    return this.#journal.cursor;
  }

  /** The last 200 lines of any kind. */
  get text(): string {
    return this.#lines.join('\n');
  }

  onFact(listener: (fact: Fact) => void): void {
    this.#listeners.add(listener);
  }

  line(text: string): void {
    this.#lines.push(text);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    const fact = readFact(text);
    if (fact === null) return;
    for (const listener of this.#listeners) listener(fact);
    this.#journal.push(fact);
  }

  async fact<N extends FactName>(event: N, match: Match<N> = {}, from = 0): Promise<FactOf<N>> {
    const isWanted = (fact: Fact): boolean => isNamed(fact, event) && matches(fact, match);
    return (await this.#journal.waitFor(isWanted, from)) as FactOf<N>;
  }

  all<N extends FactName>(event: N, match: Match<N> = {}, from = 0): FactOf<N>[] {
    return this.facts
      .slice(from)
      .filter((fact): fact is FactOf<N> => isNamed(fact, event))
      .filter((fact) => matches(fact, match));
  }

  close(why: string): void {
    this.#journal.close(() => new Error(`${why}; its last lines:\n${this.#lines.slice(-30).join('\n')}`));
  }
}

function isNamed<N extends FactName>(fact: Fact, event: N): fact is FactOf<N> {
  return fact.event === event;
}

function matches<N extends FactName>(fact: FactOf<N>, match: Match<N>): boolean {
  if (typeof match === 'function') return match(fact);
  return Object.entries(match).every(([key, value]) => isDeepStrictEqual(Reflect.get(fact, key), value));
}

function readFact(text: string): Fact | null {
  if (!text.startsWith('{')) return null;
  try {
    const value = JSON.parse(text);
    return typeof value.event === 'string' ? asInCode(value) : null;
  } catch {
    return null;
  }
}

/** Log lines have snake_case names and the suffix `_ms` for durations. Tests use the names of the `Fact` type. */
function asInCode(fields: object): Fact {
  const renamed = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [nameInCode(key), renamed(inner)]));
  };
  return renamed(fields) as Fact;
}

function nameInCode(key: string): string {
  return key.replace(/_ms$/, '').replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
