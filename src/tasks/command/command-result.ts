import { decodeJson } from "../../base/json.ts";
import { CommandBadOutputError } from "./command-errors.ts";
import type { CommandOutput, CommandResult } from "./command-options.ts";

/**
 * Makes the result of what a program wrote. Text and lines whose beginning was not kept begin with
 * a line that says so.
 *
 * @throws CommandBadOutputError when it should be JSON and is not, or not whole.
 */
export async function readResult(
  result: CommandResult | undefined,
  output: CommandOutput,
): Promise<unknown> {
  if (result === undefined) return output;
  if (typeof result === "function") return result(output);
  if (result === "json") return jsonOf(output);
  const cut = output.cutBytes.stdout;
  const mark = cut === 0 ? "" : `[${cut} bytes before this were not kept]\n`;
  const text = mark + output.stdout.replace(/\r?\n$/, "");
  if (result === "text") return text;
  return text === "" ? [] : text.split(/\r?\n/);
}

function jsonOf({ stdout, cutBytes }: CommandOutput): unknown {
  if (cutBytes.stdout > 0) {
    throw new CommandBadOutputError(
      `The program wrote ${cutBytes.stdout} bytes more than are kept, so its JSON is not whole. ` +
        "Raise outputBytesMax, or have it write less.",
    );
  }
  try {
    return decodeJson(Buffer.from(stdout));
  } catch (error) {
    const text = `The program did not write JSON: ${JSON.stringify(stdout.slice(0, 200))}.`;
    throw new CommandBadOutputError(text, { cause: error });
  }
}
