/** What a figure is held against; null is measured for the reader's information. */
export type Target = { readonly atMost: number } | { readonly atLeast: number } | null;

/** One number of the table, and where it comes from. */
export interface Figure {
  readonly name: string;
  /** What it is the figure of, where several things are measured alike: a column of a table of their own. */
  readonly column?: string;
  /** Its place in the plots of growth: the horizontal axis (one plot each), the panel in that plot, and the position. */
  readonly points?: readonly { readonly axis: string; readonly panel: string; readonly x: number }[];
  readonly unit: string;
  readonly target: Target;
  /** One for each pair, in the order in which they were taken; the figure is their median. */
  readonly values: readonly number[];
  /** What was measured on each side of the pairs, by name. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

/** How many pairs, and what to tell while they are taken. */
export interface Run {
  readonly pairs: number;
  progress(text: string): void;
}

/** A group of figures that are measured together. */
export interface Measure {
  readonly name: string;
  /** What is measured, and what is part of it. */
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

/** Whether the median is where it should be; null without a target. */
export function passes({ target, values }: Pick<Figure, 'target' | 'values'>): boolean | null {
  if (target === null) return null;
  return 'atMost' in target ? median(values) <= target.atMost : median(values) >= target.atLeast;
}

/** The ratio of each pair. */
export function ratios(numerators: readonly number[], denominators: readonly number[]): number[] {
  return numerators.map((numerator, index) => numerator / (denominators[index] ?? Number.NaN));
}
