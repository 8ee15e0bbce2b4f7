/** The one part of the WebAssembly API that Millrace uses: memory that grows in place. Node has it; TypeScript keeps its types in the DOM library. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number });
    readonly buffer: ArrayBuffer;
    grow(deltaPages: number): number;
  }
}
