/** What reading one scalar gives: the value, or why it is none. The problem is a phrase that follows the key's name. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** A scalar as messages show it: quoted, control characters escaped, at most 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
