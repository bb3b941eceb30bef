/** The candidate that was probably meant; undefined if none is similar. */
export function nearMiss(word: string, candidates: readonly string[]): string | undefined {
  const folded = fold(word);
  const allowed = folded.length <= 3 ? 1 : 2;
  let best: string | undefined;
  let bestDistance = allowed + 1;
  for (const candidate of candidates) {
    const distance = editDistance(folded, fold(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? candidates.find((candidate) => startsAlike(folded, fold(candidate)));
}

// Treats `reloadSignal` and `reload-signal` like `reload_signal`.
function fold(word: string): string {
  return word.toLowerCase().replace(/[_\-\s]/g, '');
}

function startsAlike(one: string, other: string): boolean {
  return one.length >= 3 && other.length >= 3 && (one.startsWith(other) || other.startsWith(one));
}

/** Counts insertions, deletions, substitutions and swaps of neighbours: the optimal string alignment distance. */
export function editDistance(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const cost = one[i - 1] === other[j - 1] ? 0 : 1;
      const swapped = one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      row[j] = Math.min(
        at(last, j) + 1,
        at(row, j - 1) + 1,
        at(last, j - 1) + cost,
        swapped ? at(beforeLast, j - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    beforeLast = last;
    last = row;
  }
  return at(last, other.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
