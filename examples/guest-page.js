// What the pages with guests share: they show numbers by the ids of their elements, draw a guest's memory, and say how it ended.

export const element = (id) => document.getElementById(id);

export function show(id, text) {
  element(id).textContent = text;
}

/** 1234567 as 1 234 567. */
export const grouped = (number) => number.toLocaleString("en").replaceAll(",", " ");

export const nextFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));

/** Draws on #picture: RGBA pixels at an address of a guest's memory. */
export function painter() {
  const { width, height } = element("picture");
  const context = element("picture").getContext("2d");
  const image = context.createImageData(width, height);
  return (buffer, at) => {
    image.data.set(new Uint8ClampedArray(buffer, at, image.data.length));
    context.putImageData(image, 0, 0);
  };
}

/** Runs the page's program; #status says "done", or why not. */
export async function play(main) {
  const status = element("status");
  try {
    await main();
    status.textContent = "done";
    status.dataset.state = "done";
  } catch (error) {
    status.textContent = String(error);
    status.dataset.state = "failed";
  }
}
