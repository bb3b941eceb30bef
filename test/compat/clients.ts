import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { parseTarget } from '../support/target.ts';

const TIMEOUT = 10_000;

/** Sends one DNS question for an A record on a separate socket (RFC 1035, section 4.1). Resolves to the address. */
export function askDns(address: string, name: string): Promise<string> {
  const { host, port } = tcpTarget(address);
  const labels = name.split('.').map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`));
  const id = Math.floor(Math.random() * 0x10000);
  const header = Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const question = Buffer.concat([header, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const timer = setTimeout(() => end(new Error('timed_out')), TIMEOUT);
    const end = (error: Error | null, text = ''): void => {
      clearTimeout(timer);
      socket.close();
      if (error === null) resolve(text);
      else reject(error);
    };
    socket.on('error', end);
    socket.on('message', (answer) => {
      if (answer.readUInt16BE(0) !== id) end(new Error('bad_response'));
      else if (answer.readUInt16BE(6) === 0) end(new Error(`rcode_${answer.readUInt8(3) & 0xf}`));
      else end(null, [...answer.subarray(-4)].join('.'));
    });
    socket.connect(port, host, () => socket.send(question));
  });
}

function tcpTarget(address: string): { readonly host: string; readonly port: number } {
  const target = parseTarget(address.replace(/^udp:/, ''));
  if (!('host' in target)) throw new Error(`not HOST:PORT: ${address}`);
  return target;
}

/** A message of PostgreSQL's protocol, version 3: a type, the length and the content. */
function postgresMessage(type: string, content: string): Buffer {
  const body = Buffer.from(content, 'latin1');
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

/** Connects to the console of pgbouncer, asks for its version, and ends the session. Resolves to the answer. */
export function askPgbouncer(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...parseTarget(address) });
    let received = Buffer.alloc(0);
    let queried = false;
    const end = (error: Error | null, text = ''): void => {
      socket.destroy();
      if (error === null) resolve(text);
      else reject(error);
    };
    socket.setTimeout(TIMEOUT, () => end(new Error('timed_out')));
    socket.on('connect', () => {
      const version = '\0\x03\0\0';
      socket.write(postgresMessage('', `${version}user\0admin\0database\0pgbouncer\0\0`));
    });
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      for (; received.length >= 5; ) {
        const length = received.readInt32BE(1) + 1;
        if (received.length < length) return;
        const type = String.fromCharCode(received[0] ?? 0);
        const content = received.toString('latin1', 5, length);
        received = received.subarray(length);
        if (type === 'E') return end(new Error(content.replaceAll('\0', ' ')));
        if (type === 'D') return socket.end(postgresMessage('X', ''), () => end(null, content));
        if (type === 'Z' && !queried) {
          queried = true;
          socket.write(postgresMessage('Q', 'SHOW VERSION\0'));
        }
      }
    });
    socket.on('error', end);
    socket.on('close', () => end(new Error('eof_before_response')));
  });
}

/** One session of ssh(1) with the key in the directory. The remote command writes one line and waits for a moment. */
export function askSsh(address: string, folder: string): Promise<string> {
  const { host, port } = tcpTarget(address);
  const options = [
    'UserKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=no',
    'BatchMode=yes',
    'LogLevel=ERROR',
  ];
  const args = [
    ...options.flatMap((option) => ['-o', option]),
    '-i',
    join(folder, 'key'),
    '-p',
    String(port),
  ];
  return new Promise((resolve, reject) => {
    const child = spawn('ssh', [...args, host, 'sleep 0.3; echo hello'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT,
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 && output === 'hello\n') resolve(output);
      else reject(new Error(`exit ${code}: ${errors.trim().slice(0, 200)}`));
    });
  });
}

/** The messages at the start of a session of a WebSocket server. */
export interface Dialect {
  readonly path: string;
  /** The client's reply to the first message of the server; null if the server does not send first. */
  readonly greeting: string | null;
  /** A heartbeat of the server, and the reply to it; null for none. */
  readonly heartbeat: readonly [string, string] | null;
  readonly request: string;
  readonly answer: RegExp;
}

/** An open WebSocket session. */
export class EchoSession {
  readonly #socket: WebSocket;
  readonly #messages: string[] = [];
  #wake: () => void = () => {};
  #closed = false;

  constructor(address: string, { path, heartbeat }: Dialect) {
    this.#socket = new WebSocket(`ws://${address}${path}`, { handshakeTimeout: TIMEOUT });
    this.#socket.on('message', (message) => {
      const text = message.toString();
      if (text === heartbeat?.[0]) this.#socket.send(heartbeat[1]);
      else this.#messages.push(text);
      this.#wake();
    });
    this.#socket.on('error', () => this.#wake());
    this.#socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  get closed(): boolean {
    return this.#closed || this.#socket.readyState > WebSocket.OPEN;
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('open', resolve);
      this.#socket.once('error', reject);
    });
  }

  async receive(): Promise<string> {
    const deadline = setTimeout(() => this.#socket.terminate(), TIMEOUT);
    while (this.#messages.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    clearTimeout(deadline);
    const message = this.#messages.shift();
    if (message === undefined) throw new Error('eof_before_response');
    return message;
  }

  /** Receives the greeting, answers it, and receives the reply. */
  async greet(answer: string): Promise<void> {
    await this.receive();
    this.#socket.send(answer);
    await this.receive();
  }

  async ask({ request, answer }: Dialect): Promise<string> {
    this.#socket.send(request, () => {});
    const text = await this.receive();
    if (!answer.test(text)) throw new Error('bad_response');
    return text;
  }

  close(): void {
    this.#socket.close();
  }
}
