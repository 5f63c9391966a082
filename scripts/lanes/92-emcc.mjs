// Guests compiled by emcc come out as committed.
import { guestLane } from "../guest-lane.mjs";

export default guestLane("emcc");
