import { escapeControls } from '../common/text.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** HTML that can be inserted into other HTML without escaping. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Html | readonly Html[];

/**
 * HTML with inserted values. A value that is not Html is inserted as text, with control characters shown as escapes.
 */
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
