/** Ends the demo with an exit code and a message for the person at the terminal. */
export class DemoError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
