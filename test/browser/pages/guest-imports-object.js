export default { page: { twice: (n) => n * 2 } };
