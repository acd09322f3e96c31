export {
  CommandBadOutputError,
  CommandFailedError,
  CommandNotExecutableError,
  CommandNotFoundError,
} from "./command-errors.ts";
export type {
  CommandCall,
  CommandEnvironment,
  CommandLimits,
  CommandOutput,
  CommandResult,
  CommandResults,
  CommandTaskOptions,
  ExitMeaning,
} from "./command-options.ts";
export { type CommandWorld, commandTask } from "./command-task.ts";
