import type { ServiceError } from "@grpc/grpc-js";
import { createDeferred } from "../../../src/base/deferred.ts";
import type { Agent } from "../../../src/tasks/rpc/agent.ts";
import { AgentConnection } from "../../../src/tasks/rpc/agent-connection.ts";
import {
  type CallEvent,
  type CallRequest,
  CODE_TRAILER,
  encodeValue,
} from "../../../src/tasks/rpc/protocol.ts";

/** A call made by hand, without a task. */
export interface RawCall {
  readonly events: readonly CallEvent[];
  /** Resolves when the agent says that the call is admitted. */
  readonly accepted: Promise<void>;
  /** How it ended: `result`, `failure`, or the code in the trailer, or the status. */
  readonly ended: Promise<string>;
  cancel(): void;
  pause(): void;
  resume(): void;
}

/** A connection to an agent on which calls are made by hand. */
export class RawCaller implements Disposable {
  readonly connection: AgentConnection;

  constructor(agent: Agent) {
    this.connection = new AgentConnection(agent.address, undefined);
  }

  call(request: Partial<CallRequest>, input?: unknown): RawCall {
    const stream = this.connection.call({
      protocol: 1,
      incarnation: "",
      task: "task-1",
      attempt: 1,
      fence: 1,
      method: "x",
      input: encodeValue(input),
      headers: {},
      ...request,
    });
    const events: CallEvent[] = [];
    const accepted = createDeferred<void>();
    const ended = createDeferred<string>();
    stream.on("data", (event: CallEvent) => {
      events.push(event);
      if (event.event === "accepted") accepted.resolve();
    });
    stream.on("end", () => ended.resolve(events.at(-1)?.event ?? "nothing"));
    stream.on("error", (error: ServiceError) => {
      const [code] = error.metadata.get(CODE_TRAILER);
      ended.resolve(String(code ?? error.code));
    });
    return {
      events,
      accepted: accepted.promise,
      ended: ended.promise,
      cancel: () => stream.cancel(),
      pause: () => stream.pause(),
      resume: () => stream.resume(),
    };
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}
