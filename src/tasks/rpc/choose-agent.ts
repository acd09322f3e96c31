import { within } from "../../base/within.ts";
import { StoreUnavailableError } from "../../store/store-errors.ts";
import type { AgentChoice, AgentDirectory } from "./agent-directory.ts";
import type { KnownAgent } from "./known-agent.ts";
import { PROTOCOL } from "./protocol.ts";
import { AgentMethodUnknownError, AgentProtocolError } from "./rpc-errors.ts";

const LISTED_MS_MAX = 10_000;
/** An agent that is just being started anew is worth a moment. */
const ABSENT_MS_MAX = 1_000;

/**
 * The live agent to call: of several, the one with the fewest calls from here, and of those any;
 * one whose connection is broken only when there is no other.
 * Waits a moment for one to come; `undefined` when none did, or when `signal` aborts. The call
 * counts from now on, so that others who choose see it; say `end` to the agent when it is over.
 *
 * @throws AgentMethodUnknownError, AgentProtocolError when there are agents, but none that can.
 * @throws StoreUnavailableError (`STORE_UNAVAILABLE`) when the agents cannot be listed.
 */
export async function chooseAgent(
  directory: AgentDirectory,
  choice: AgentChoice,
  method: string,
  signal: AbortSignal,
): Promise<KnownAgent | undefined> {
  const { clock } = directory.world;
  let until = clock.monotonic() + LISTED_MS_MAX;
  for (let listed = false; !signal.aborted; ) {
    if (directory.known && !listed) {
      listed = true;
      until = clock.monotonic() + ABSENT_MS_MAX;
    }
    const open = directory.find(choice).filter((agent) => agent.open);
    if (open.length > 0) return reserve(able(open, method), directory);
    const ms = until - clock.monotonic();
    if (ms > 0) await within(directory.changed, { ms, clock, signals: [signal] });
    else if (listed) return undefined;
    else throw new StoreUnavailableError("The agents could not be listed in time.", "no");
  }
  return undefined;
}

function able(agents: readonly KnownAgent[], method: string): readonly KnownAgent[] {
  const speaking = agents.filter(({ record }) => record.protocol === PROTOCOL);
  const [first] = agents;
  if (speaking.length === 0) {
    throw new AgentProtocolError(
      `The ${first?.text} speaks version ${first?.record.protocol} of the protocol, this worker ` +
        `version ${PROTOCOL}.`,
    );
  }
  const knowing = speaking.filter(({ record }) => record.methods.includes(method));
  if (knowing.length > 0) return knowing;
  const methods = first?.record.methods.slice(0, 20).join(", ");
  throw new AgentMethodUnknownError(
    `The ${first?.text} has no method ${method}; it has ${methods || "none"}.`,
  );
}

function reserve(agents: readonly KnownAgent[], { world }: AgentDirectory): KnownAgent | undefined {
  const trusted = agents.filter(({ trust }) => trust === "trusted");
  const eligible = trusted.length > 0 ? trusted : agents;
  const least = Math.min(...eligible.map(({ calls }) => calls));
  const candidates = eligible.filter(({ calls }) => calls === least);
  const agent = candidates[Math.floor(world.random.next() * candidates.length)];
  if (agent) agent.calls += 1;
  return agent;
}
