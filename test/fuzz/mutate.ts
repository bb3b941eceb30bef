/** The longest input. It exceeds the limits of every parser. */
const MAX_INPUT = 96 * 1024;

/** Frequent mistakes in text of any format. */
const WORDS = [
  '0',
  '-1',
  '1e999',
  '0.1',
  '4294967296',
  '9007199254740993',
  '99999999999999999999',
  'null',
  'true',
  '{',
  '}',
  '[',
  ']',
  '"',
  "'",
  ':',
  ',',
  '\\',
  '\\u0000',
  '\n',
  '\r\n',
  '\t',
  '\0',
  '\u001b[2J',
  '\u202e',
  '\ud800',
  '__proto__',
  'constructor',
];

/** The material for inputs. */
export interface Material {
  readonly corpus: readonly Buffer[];
  /** Words of the parser's language. */
  readonly words: readonly string[];
}

const VALUES = [
  null,
  true,
  false,
  0,
  -1,
  1,
  2,
  1.5,
  1e21,
  2 ** 53,
  '',
  '0',
  'x'.repeat(300),
  '\u001b[2J',
  [],
  {},
  [null],
];

/** Makes an input from the corpus by some random changes. Equal numbers make equal inputs. */
export function mutant({ corpus, words }: Material, random: () => number): Buffer {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(list: readonly T[]): T | undefined => list[below(list.length)];
  let input: Buffer = Buffer.from(pick(corpus) ?? '');
  if (random() < 0.5) input = otherDocument(input, random);
  if (random() < 0.3) return input;
  const insert = (at: number, bytes: Buffer) =>
    Buffer.concat([input.subarray(0, at), bytes, input.subarray(at)]);
  const range = () => {
    const from = below(input.length + 1);
    return [from, Math.min(input.length, from + 1 + below(2 ** below(9)))] as const;
  };
  for (let left = 1 + below(4); left > 0; left -= 1) {
    const [from, to] = range();
    switch (below(9)) {
      case 0:
        if (input.length > 0) input[from % input.length] = below(256);
        break;
      case 1:
        if (input.length > 0)
          input.writeUInt8((input[from % input.length] ?? 0) ^ (1 << below(8)), from % input.length);
        break;
      case 2:
        input = Buffer.concat([input.subarray(0, from), input.subarray(to)]);
        break;
      case 3:
        input = insert(from, input.subarray(from, to));
        break;
      case 4:
        input = Buffer.from(input.subarray(0, from));
        break;
      case 5: {
        const other = pick(corpus) ?? input;
        const start = below(other.length + 1);
        input = insert(from, other.subarray(start, start + below(2 ** below(10))));
        break;
      }
      case 6:
        input = insert(from, Buffer.from(`${pick(words.length > 0 && random() < 0.6 ? words : WORDS)}`));
        break;
      case 7:
        input = otherNumber(input, from, `${pick(WORDS)}`);
        break;
      default: {
        // Deep nesting and long words.
        const times = 2 ** below(12);
        input = insert(from, Buffer.from(`${pick(random() < 0.5 ? words : WORDS) ?? ''}`.repeat(times)));
      }
    }
    if (input.length > MAX_INPUT) input = Buffer.from(input.subarray(0, MAX_INPUT));
  }
  return input;
}

/** Replaces the next number by a word. */
function otherNumber(input: Buffer, from: number, word: string): Buffer {
  const rest = input.toString('latin1', from);
  const found = /\d+/.exec(rest);
  if (found === null) return input;
  const at = from + found.index;
  return Buffer.concat([input.subarray(0, at), Buffer.from(word), input.subarray(at + found[0].length)]);
}

/** Changes a JSON document in a line of the input. The line stays valid JSON. */
function otherDocument(input: Buffer, random: () => number): Buffer {
  const below = (limit: number) => Math.floor(random() * limit);
  const lines = input.toString().split('\n');
  const starts = lines.flatMap((line, index) => (/^(data: )?[[{]/.test(line) ? [index] : []));
  const index = starts[below(starts.length)];
  if (index === undefined) return input;
  const line = lines[index] ?? '';
  const at = line.search(/[[{]/);
  try {
    const document: unknown = JSON.parse(line.slice(at));
    for (let left = 1 + below(3); left > 0; left -= 1) changeOne(document, random);
    lines[index] = line.slice(0, at) + JSON.stringify(document);
  } catch {
    return input;
  }
  return Buffer.from(lines.join('\n'));
}

/** Replaces, removes, copies or swaps one value anywhere in a document. */
function changeOne(document: unknown, random: () => number): void {
  const below = (limit: number) => Math.floor(random() * limit);
  const places: { readonly holder: Record<string, unknown>; readonly key: string }[] = [];
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    const holder = value as Record<string, unknown>;
    for (const key of Object.keys(holder)) {
      places.push({ holder, key });
      visit(holder[key]);
    }
  };
  visit(document);
  const place = places[below(places.length)];
  const other = places[below(places.length)];
  if (place === undefined || other === undefined) return;
  const { holder, key } = place;
  const value = holder[key];
  const copy = (one: unknown): unknown => JSON.parse(JSON.stringify(one));
  switch (below(6)) {
    case 0:
      holder[key] = copy(VALUES[below(VALUES.length)]);
      return;
    case 1:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
      return;
    case 2:
      holder[key] = copy(other.holder[other.key] ?? null);
      return;
    case 3:
      if (Array.isArray(value) && value.length > 0) value.push(copy(value[below(value.length)]));
      return;
    case 4:
      if (typeof value === 'number') holder[key] = value + below(5) - 2;
      return;
    default:
      if (typeof value === 'number')
        holder[key] = VALUES.filter((one) => typeof one === 'number')[below(7)] ?? 0;
  }
}
