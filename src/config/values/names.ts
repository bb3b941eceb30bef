import { type Parsed, quoted } from '../../common/text.ts';

/**
 * Parses a listener's name: sd_listen_fds_with_names(3) allows no colon, no control characters and at most 255
 * characters.
 */
export function parseListenerName(text: string): Parsed<string> {
  if (text === '') return { problem: 'is empty: write a name such as http' };
  if (text.length > 255) return { problem: `has ${text.length} characters: the longest name has 255` };
  // systemd's FileDescriptorName= accepts only ASCII, and consumers split LISTEN_FDNAMES at colons.
  if (!/^[\x21-\x39\x3b-\x7e]+$/.test(text)) {
    return { problem: `${quoted(text)} has a colon, a space or a character that is not ASCII` };
  }
  return { value: text };
}

const INSTANCE = /^[A-Za-z0-9_][A-Za-z0-9._+@:-]*$/;
// The control socket's path contains the name, and such a path is limited to 107 bytes (unix(7)).
const MAX_INSTANCE_NAME = 64;

/** Parses an instance's name, which is used for directories. */
export function parseInstanceName(text: string): Parsed<string> {
  if (text === '') return { problem: 'is empty' };
  if (text.length > MAX_INSTANCE_NAME) {
    return { problem: `has ${text.length} characters: the longest name has ${MAX_INSTANCE_NAME}` };
  }
  if (!INSTANCE.test(text)) {
    return {
      problem: `${quoted(text)} cannot be the name of a directory: use letters, digits and . _ - + @ : and begin with a letter or digit`,
    };
  }
  return { value: text };
}

/** The closest valid name (see {@link parseInstanceName}) to a file's name. */
export function instanceNameFrom(file: string): string {
  const name = file.replace(/[^A-Za-z0-9._+@:-]/g, '-').replace(/^[^A-Za-z0-9_]+/, '');
  return name.slice(0, MAX_INSTANCE_NAME) || 'service';
}

/** Parses a variable's name: anything without `=` and NUL (environ(7)). */
export function parseVariableName(text: string): Parsed<string> {
  if (text === '') return { problem: 'is empty: write the name of the variable' };
  if (text.includes('='))
    return { problem: `${quoted(text)} has a "=": the part behind it belongs in value` };
  return text.includes('\0') ? { problem: 'has a NUL character' } : { value: text };
}

/** Parses a network interface's name: at most 15 bytes, without slash and space (IFNAMSIZ, linux/if.h). */
export function parseDevice(text: string): Parsed<string> {
  if (!/^[^\s/:\0]+$/.test(text) || Buffer.byteLength(text) > 15) {
    return { problem: `${quoted(text)} is not the name of a network interface: write a name such as eth0` };
  }
  return { value: text };
}
