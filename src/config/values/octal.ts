import { type Parsed, quoted } from '../../common/text.ts';

/** Permission bits as chmod(1) and umask(1) take them: `0660`, `660`, `0o660`. Always octal. */
export function parseOctal(text: string): Parsed<number> {
  if (!/^(0o)?[0-7]{1,4}$/i.test(text)) {
    return { problem: `${quoted(text)} is no octal number: write permission bits such as "0660"` };
  }
  return { value: Number.parseInt(text.replace(/^0o/i, ''), 8) };
}

/** Four octal digits, `0660`. */
export function formatOctal(value: number): string {
  return value.toString(8).padStart(4, '0');
}
