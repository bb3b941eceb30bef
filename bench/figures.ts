/** The limit for a figure; null: the figure is only informative. */
export type Target = { readonly atMost: number } | { readonly atLeast: number } | null;

/** One number of the table, with its samples. */
export interface Figure {
  readonly name: string;
  /** The subject of the figure, if several subjects are measured alike: it becomes a column in its own table. */
  readonly column?: string;
  /**
   * Its position in the plots of growth: the horizontal axis (one plot each), the panel in that plot, and the position.
   */
  readonly points?: readonly { readonly axis: string; readonly panel: string; readonly x: number }[];
  readonly unit: string;
  readonly target: Target;
  /** One value for each pair, in the order of measurement. The figure is their median. */
  readonly values: readonly number[];
  /** The samples of each side of the pairs, by name. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

/** The number of pairs, and the callback for progress. */
export interface Run {
  readonly pairs: number;
  progress(text: string): void;
}

/** A group of figures that are measured together. */
export interface Measure {
  readonly name: string;
  /** Describes what is measured and what the measurement includes. */
  readonly about: string;
  measure(run: Run): Promise<Figure[]>;
}

/** Throws for an empty list. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new Error('the median of nothing');
  return (lower + upper) / 2;
}

/** Whether the median meets the target; null without a target. */
export function passes({ target, values }: Pick<Figure, 'target' | 'values'>): boolean | null {
  if (target === null) return null;
  return 'atMost' in target ? median(values) <= target.atMost : median(values) >= target.atLeast;
}

/** The ratio of each pair. */
export function ratios(numerators: readonly number[], denominators: readonly number[]): number[] {
  return numerators.map((numerator, index) => numerator / (denominators[index] ?? Number.NaN));
}
