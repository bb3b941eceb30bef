import type { StatusDocument } from '../../control/status-document.ts';

/** One measured value. */
export interface Point {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly value: number;
}

/** The period of a curve, in milliseconds. */
export const WINDOW = 240_000;
/**
 * Limits for the points of a curve and for the number of curves: an instance with a thousand listeners has no curve for
 * each.
 */
const MAX_POINTS = 120;
const MAX_CURVES = 64;
const MIN_STEP = WINDOW / MAX_POINTS;
/** A curve starts anew after this many milliseconds without a point. */
const MAX_GAP = 60_000;

/** The values that were measured while a dashboard was open, for its curves. */
export class Samples {
  readonly #curves = new Map<string, Point[]>();

  /** @param at milliseconds since 1970 */
  add(at: number, { generations, listeners, usage }: StatusDocument): void {
    const known = new Map<string, number | null>([
      ['connections', sum(generations.map(({ connections = null }) => connections))],
      ['queue', sum(listeners.map(({ queue }) => queue))],
      ['cpu', usage?.cpu_percent ?? null],
      ['memory', usage?.memory_bytes ?? null],
      ...generations.map(({ id, connections = null }) => [`generation ${id}`, connections] as const),
      ...listeners.map(({ name, queue }) => [`listener ${name}`, queue] as const),
    ]);
    for (const [name, value] of known) if (value !== null) this.#put(name, { at, value });
    for (const [name, points] of this.#curves)
      if (at - (points.at(-1)?.at ?? 0) > WINDOW) this.#curves.delete(name);
  }

  /** Oldest first. */
  of(name: string): readonly Point[] {
    return this.#curves.get(name) ?? [];
  }

  #put(name: string, point: Point): void {
    const before = this.#curves.get(name);
    if (before === undefined && this.#curves.size >= MAX_CURVES) return;
    const last = before?.at(-1)?.at ?? 0;
    const kept = point.at - last > MAX_GAP ? [] : (before ?? []).filter(({ at }) => point.at - at <= WINDOW);
    // Values come twice as often during a handover. The curve has the newest one, and the others at MIN_STEP.
    const [previous, newest] = kept.slice(-2);
    if (previous && newest && newest.at - previous.at < MIN_STEP) kept.pop();
    this.#curves.set(name, [...kept, point].slice(-MAX_POINTS));
  }
}

/** The sum of the known values; null if none is known. */
function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}
