/** The TypeScript source of the codec for a .proto text. */
export function generateCodec(text: string): string;
/** The TypeScript source of the descriptor of agent.proto's text. */
export function generateDescriptor(text: string): string;
