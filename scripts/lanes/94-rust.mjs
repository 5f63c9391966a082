// Guests compiled by rustc 1.63 come out as committed.
import { guestLane } from "../guest-lane.mjs";

export default guestLane("rust");
