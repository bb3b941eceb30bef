import type { ServerResponse } from 'node:http';
import type { Answer, Control } from './control.ts';
import { factDocument } from './fact-document.ts';
import { LineStream } from './line-stream.ts';
import type { AnswerOf, RequestOf, RouteName } from './protocol.ts';
import { RequestError } from './request-body.ts';
import { verdictDocument } from './verdict-document.ts';

/** Does what one route asks and writes its answer. What it throws before anything is written becomes the answer. */
export type Handlers = {
  readonly [R in RouteName]: (request: RequestOf<R>, response: ServerResponse) => void | Promise<void>;
};

/** Who waits for the end of the supervisor. */
export type Farewells = Set<LineStream<AnswerOf<'stop'>>>;

/** Connects the routes with the supervisor. */
export function handlersOf(control: Control, farewells: Farewells): Handlers {
  return {
    status: (_, response) => sendJson(response, control.status()),
    reload: ({ preview = false, replace = false, timeout_ms = null, wait = true }, response) => {
      const lines = new LineStream<AnswerOf<'reload'>>(response, () => unsubscribe());
      // Before the request is made, so that what it causes at once is told as well.
      const unsubscribe = wait
        ? control.onFact((fact) => lines.tell({ fact: factDocument(fact) }))
        : () => {};
      const options = { preview, replace, timeoutMs: timeout_ms, wait };
      const { ticket } = control.reload(options, (verdict) => {
        lines.write({ verdict: verdictDocument(verdict) });
        lines.end();
      });
      lines.begin({ accepted: { ticket } });
      if (!wait) lines.end();
    },
    promote: async (_, response) => sendAnswer(response, await control.promote()),
    abort: async (_, response) => sendAnswer(response, await control.abort()),
    stop: ({ now = false }, response) => {
      const lines = new LineStream<AnswerOf<'stop'>>(response, () => {
        unsubscribe();
        farewells.delete(lines);
      });
      farewells.add(lines);
      const unsubscribe = control.onFact((fact) => lines.tell({ fact: factDocument(fact) }));
      control.stop(now);
      lines.begin({ accepted: { pid: process.pid } });
    },
  };
}

function sendAnswer(response: ServerResponse, answer: Answer): void {
  if (!answer.ok) throw new RequestError('wrong_state', answer.message);
  sendJson(response, {});
}

function sendJson(response: ServerResponse, document: unknown): void {
  const body = `${JSON.stringify(document)}\n`;
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
