/** A deep copy of plain data. structuredClone takes ten times as long for objects this small. */
export function copy<T>(value: T): T {
  if (Array.isArray(value)) return value.map(copy) as T;
  if (typeof value !== 'object' || value === null) return value;
  const result: Record<string, unknown> = {};
  for (const key in value) result[key] = copy((value as Record<string, unknown>)[key]);
  return result as T;
}

/** Whether two pieces of plain data are equal. Objects of one kind always have their properties in the same order. */
export function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((value, index) => isSame(value, other[index]));
  const [values, others] = [Object.values(one), Object.values(other)];
  return values.length === others.length && values.every((value, index) => isSame(value, others[index]));
}
