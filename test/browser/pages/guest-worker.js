// The entry of a worker that serves threads of guests, as a consumer writes it for a bundler (the option threads.worker).
import { serveGuests } from "tokiwa/guest";

serveGuests();
