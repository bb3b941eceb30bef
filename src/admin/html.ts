import { escapeControls } from '../common/text.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A piece of HTML that may be put into another as it is. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Html | readonly Html[];

/** HTML with values in it. A value that is not HTML is text, whatever it contains, and shows control characters as escapes. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(
    parts.map((part, index) => `${index > 0 ? textOf(values[index - 1]) : ''}${part}`).join(''),
  );
}

function textOf(value: Value = ''): string {
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(({ text }) => text).join('');
  return escapeControls(String(value)).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
