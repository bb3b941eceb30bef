import { copy } from '../../src/lifecycle/copy.ts';

/** One value inside plain data: a scalar, null, or an empty list. */
export interface Leaf {
  /** `generations[0].stage.since`. */
  readonly path: string;
  /**
   * The path with the index of every list omitted, and with the variant of each object that has variants:
   * `generations[].stage(retiring).since`.
   */
  readonly shape: string;
  readonly keys: readonly (string | number)[];
  readonly value: unknown;
}

/** Every leaf of plain data, and only the first one of each shape. */
export function leavesOf(data: unknown): Leaf[] {
  const byShape = new Map<string, Leaf>();
  const visit = (value: unknown, path: string, shape: string, keys: readonly (string | number)[]): void => {
    if (Array.isArray(value) && value.length > 0) {
      for (const [index, item] of value.entries())
        visit(item, `${path}[${index}]`, `${shape}[]`, [...keys, index]);
    } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const own = shape === '' ? '' : `${shape}${variantOf(value)}`;
      for (const [key, item] of Object.entries(value))
        visit(item, path === '' ? key : `${path}.${key}`, own === '' ? key : `${own}.${key}`, [...keys, key]);
    } else if (!byShape.has(shape)) {
      byShape.set(shape, { path, shape, keys, value });
    }
  };
  visit(data, '', '', []);
  return [...byShape.values()];
}

const VARIANTS = ['name', 'kind', 'state', 'of', 'family'];

function variantOf(value: object): string {
  const words = Object.entries(value).filter(
    ([key, item]) => VARIANTS.includes(key) && typeof item === 'string',
  );
  return words.length === 0 ? '' : `(${words.map(([, word]) => word).join(' ')})`;
}

/** A copy of the data with another value at one path; undefined removes the field. */
export function withLeaf<Data>(data: Data, { keys }: Leaf, value: unknown): Data {
  const whole = copy(data);
  const parent = keys
    .slice(0, -1)
    .reduce((object, key) => (object as Record<string | number, unknown>)[key], whole as unknown);
  const last = keys.at(-1) ?? '';
  if (value === undefined) delete (parent as Record<string | number, unknown>)[last];
  else (parent as Record<string | number, unknown>)[last] = value;
  return whole;
}

/** Another value of the same type; null for null and for a list. */
export function another(value: unknown): unknown {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'string') return `${value}x`;
  return null;
}
